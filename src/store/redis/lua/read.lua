-- States of keys as texts and native values, for src/crdt to work on. Changes nothing.
--
-- ARGV: most, then per key: tag key count name*        names: of registers of the register hash; all of them where it holds
--       at most `most`, or where count is '*'
-- Result: now (ms), then per key: { header '' none, native type, length of the register hash, 1 all registers are here,
--         { name text native }*, value }
-- native: what lies natively under a hash field, member (score; '1' of a set), else false; value: of a string or module type
--         the bytes (DUMP), of a list its elements, of a stream { entries, XINFO STREAM }, else false

local CHUNK = 3000
local NATIVES = { hash = { '2', 'HMGET' }, set = { '3', 'SMISMEMBER' }, zset = { '4', 'ZMSCORE' } }

local function chunked(command, key, names, from)
  local values = {}
  for i = 1, #names, CHUNK do
    local part = {}
    for j = i, math.min(#names, i + CHUNK - 1) do part[#part + 1] = sub(names[j], from) end
    local reply = call(command, key, unpack(part))
    for j = 1, #part do values[i + j - 1] = reply[j] end
  end
  return values
end

local function value_of(key, kind)
  if kind == 'string' then return call('GET', key) end
  if kind == 'list' then return call('LRANGE', key, 0, -1) end
  if kind == 'stream' then return { call('XRANGE', key, '-', '+'), call('XINFO', 'STREAM', key) } end
  if kind == 'none' or NATIVES[kind] then return false end
  return call('DUMP', key)
end

local function registers_of(key, rkey, kind, names, texts)
  local out, native = {}, NATIVES[kind]
  local own, at = {}, {}
  for i, name in ipairs(names) do
    if native and sub(name, 1, 1) == native[1] then
      own[#own + 1] = name
      at[i] = #own
    end
  end
  local values = #own > 0 and chunked(native[2], key, own, 2) or {}
  for i, name in ipairs(names) do
    local value = at[i] and values[at[i]] or false
    if kind == 'set' then value = value == 1 and '1' or false end
    out[#out + 1] = name
    out[#out + 1] = texts[i] or false
    out[#out + 1] = value
  end
  return out
end

local function read_key(tag, key, all, wanted)
  local slot = 'mqkv:{' .. tag .. '}'
  local rkey = slot .. ':' .. key
  local header = load_header(slot, key)
  local kind = call('TYPE', key).ok
  local length = call('HLEN', rkey)
  all = all or length <= tonumber(ARGV[1])
  local names, texts = {}, {}
  if all then
    local have = {}
    local pairs_ = length > 0 and call('HGETALL', rkey) or {}
    for i = 1, #pairs_, 2 do
      names[#names + 1], texts[#texts + 1] = pairs_[i], pairs_[i + 1]
      have[pairs_[i]] = true
    end
    for _, name in ipairs(wanted) do
      if not have[name] then names[#names + 1], texts[#texts + 1] = name, false end
    end
  elseif #wanted > 0 then
    names, texts = wanted, chunked('HMGET', rkey, wanted, 1)
  end
  return { header or '', kind, length, all and 1 or 0, registers_of(key, rkey, kind, names, texts), value_of(key, kind) }
end

local out = { format('%.0f', now_ms) }
local i = 2
while i <= #ARGV do
  local tag, key, count = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local wanted = {}
  i = i + 3
  if count ~= '*' then
    for j = 1, tonumber(count) do wanted[j] = ARGV[i + j - 1] end
    i = i + #wanted
  end
  out[#out + 1] = read_key(tag, key, count == '*', wanted)
end
return out
