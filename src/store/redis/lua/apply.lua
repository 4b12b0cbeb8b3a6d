-- Applies what a merge decided, all of it or nothing. Plain deltas decide themselves here where the key is plain too.
--
-- ARGV: items one after the other
--   P tag key V value | X tag key V at value | D tag key V           a plain delta; at: ms
--   G tag key old new length until ttl nregs (name old new)* ncommands (argc arg*)*
--     headers and registers: old must lie there ('' none), new takes its place ('' none); length of the register hash, or '-';
--     until: ms from which on the decision is no longer right, 0 none; ttl: ms of the native expiry, 0 none;
--     commands: what makes the native value follow
-- Result: { 1, index of each plain item that changed something, -1 - index of each whose module is missing* } or { 0, index of each item that must be decided (anew)* }.
--         Indexes count from 0. A 0 has changed nothing.

local NEED, SKIP, TAKE = 'need', 'skip', 'take'

local function numbers_of(item)
  return sub(item, 1, 16)
end

-- A plain delta against what is held: `form` and version.
local function decide_plain(form, key, v, at, value, header)
  if not header then return TAKE end
  local upper = string.upper(sub(header, 1, 1))
  if upper == 'G' then return NEED end
  local held = sub(header, 2, 25)
  if held ~= v then
    if numbers_of(held) == numbers_of(v) then return NEED end
    return held > v and SKIP or TAKE
  end
  if upper ~= form then return NEED end
  if form == 'D' then return SKIP end
  if form == 'X' and tonumber(sub(header, 26), 16) ~= at then return NEED end
  if form == 'X' and at <= now_ms then return SKIP end
  local native = try('GET', key)
  return native == value and SKIP or NEED
end

local function take_plain(item)
  local form, key, v = item.form, item.key, item.v
  if form == 'X' then
    save_header(item.slot, key, 'X' .. v .. format('%012x', item.at), item.large)
  else
    save_header(item.slot, key, form .. v, item.large)
  end
  if form == 'D' or (form == 'X' and item.at <= now_ms) then return call('DEL', key) end
  if form == 'X' and NATIVE_TTL then return call('SET', key, item.value, 'PXAT', format('%.0f', item.at)) end
  call('SET', key, item.value)
end

local function parse_plain(i)
  local form = ARGV[i]
  local item = { form = form, slot = 'mqkv:{' .. ARGV[i + 1] .. '}', key = ARGV[i + 2], v = ARGV[i + 3] }
  local after = i + 4
  if form == 'X' then
    item.at = tonumber(ARGV[after])
    after = after + 1
  end
  if form ~= 'D' then
    item.value = ARGV[after]
    after = after + 1
  end
  local header
  header, item.large = load_header(item.slot, item.key)
  item.large = item.large and header and true or false
  item.verdict = decide_plain(form, item.key, item.v, item.at, item.value, header)
  return item, after
end

-- Compares; what is to be done is read from ARGV again later.
local function parse_general(i)
  local tag, key = ARGV[i + 1], ARGV[i + 2]
  local item = { form = 'G', slot = 'mqkv:{' .. tag .. '}', key = key, at = i }
  item.rkey = item.slot .. ':' .. key
  local header
  header, item.large = load_header(item.slot, key)
  item.large = item.large and header and true or false
  local same = (header or '') == ARGV[i + 3]
  local length, till = ARGV[i + 5], tonumber(ARGV[i + 6])
  if length ~= '-' and call('HLEN', item.rkey) ~= tonumber(length) then same = false end
  if till ~= 0 and now_ms >= till then same = false end
  local nregs = tonumber(ARGV[i + 8])
  local at = i + 9
  for _ = 1, nregs do
    if same and (call('HGET', item.rkey, ARGV[at]) or '') ~= ARGV[at + 1] then same = false end
    at = at + 3
  end
  item.commands = at
  local ncommands = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, ncommands do at = at + 1 + tonumber(ARGV[at]) end
  item.verdict = same and TAKE or NEED
  return item, at
end

local function take_general(item)
  local i = item.at
  local new = ARGV[i + 4]
  if new == '' then drop_header(item.slot, item.key)
  else save_header(item.slot, item.key, new, item.large) end -- also the same: a Redis out of memory refuses this first of all, and nothing is half done
  local at = i + 9
  for _ = 1, tonumber(ARGV[i + 8]) do
    if ARGV[at + 2] == '' then call('HDEL', item.rkey, ARGV[at])
    elseif ARGV[at + 2] ~= ARGV[at + 1] then call('HSET', item.rkey, ARGV[at], ARGV[at + 2]) end
    at = at + 3
  end
  at = item.commands + 1
  for _ = 1, tonumber(ARGV[item.commands]) do
    local argc = tonumber(ARGV[at])
    local last = at + argc
    if ARGV[at + 1] == 'XSETID' and not redis.REDIS_VERSION_NUM then last = at + 3 end -- Redis 6.2 knows no counts
    -- A module's value is not shown where its module is not loaded.
    if ARGV[at + 1] == 'RESTORE' then
      local reply = try(unpack(ARGV, at + 1, last))
      item.lacks = type(reply) == 'table' and reply.err ~= nil
    else
      call(unpack(ARGV, at + 1, last))
    end
    at = at + argc + 1
  end
  local ttl = tonumber(ARGV[i + 7])
  if not NATIVE_TTL then return end
  if ttl ~= 0 then call('PEXPIREAT', item.key, format('%.0f', ttl)) else call('PERSIST', item.key) end
end

local items, needs = {}, { 0 }
local i = 1
while i <= #ARGV do
  local item
  if ARGV[i] == 'G' then item, i = parse_general(i) else item, i = parse_plain(i) end
  items[#items + 1] = item
  if item.verdict == NEED then needs[#needs + 1] = #items - 1 end
end
if #needs > 1 then return needs end
local changed = { 1 }
for index, item in ipairs(items) do
  if item.form == 'G' then
    take_general(item)
    if item.lacks then changed[#changed + 1] = -index end
  elseif item.verdict == TAKE then
    take_plain(item)
    changed[#changed + 1] = index - 1
  end
end
return changed
