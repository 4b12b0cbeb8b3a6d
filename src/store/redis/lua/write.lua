-- The write script: units of ARGV one after another, each atomic and with one version. Plain SETs take the short way.
--
-- ARGV: origin, flags (m mark, 3 RESP3 replies, c cluster), largest value in bytes, then units:
--   slot key value: a plain SET; slot = the slot hash, 'mqkv:{tag}' | X slot key value at | x slot key value ttlMs
--   C nkeys (key tag)* argc arg*
--   T nkeys (key tag)* ncommands nwatch (key version)* (argc arg*)*
-- A watch's version is the newest of the key's header ('' none), or the end of an expiry that has fired if that is larger.
-- Result: per unit. Plain: the version (x: + 12 hex of at), meaning +OK. Else {err}, or a list: reply, version ('' nothing
-- changed), then per touched key: key '*' | key n field*n | key '@' atMs. A plain unit gives such a list too where a plain
-- delta would not carry all of it. T of a watch that fails: the list {false, ''}.
-- Replies that Lua cannot give are statuses: '\1I<decimal>' an integer, '\1N' RESP2's null array.
-- (Before it in the text stand `make_general` and `make_quick`: ../scripts.ts makes them, of the core, the rows and units.lua,
-- and of quick.lua.)

local ARGV, RESULTS, DIGITS = ARGV, {}, nil
ORIGIN, MAX_VALUE_BYTES = ARGV[1], tonumber(ARGV[3])
do
  local flags = ARGV[2]
  MARK = string.find(flags, 'm', 1, true) ~= nil
  RESP3 = string.find(flags, '3', 1, true) ~= nil
  CLUSTER = string.find(flags, 'c', 1, true) ~= nil
end
BASE = now_hex .. '0000' .. ORIGIN

local general_unit
local function general(...)
  if not general_unit then general_unit = make_general() end
  return general_unit(...)
end

local LARGEST_AT = 281474976710655
-- Headers of keys that held nothing newer: marked, unmarked.
local PLAIN_LOW, PLAIN_UP = 'p' .. BASE, 'P' .. BASE
local TOO_LONG = { err = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)' }

-- A plain SET; `at` Unix ms, 0: none; `is_native`: the value lies there already. Result as described above.
local function plain(slot, key, value, at, is_native)
  if #value > MAX_VALUE_BYTES then return TOO_LONG end
  if #key > 64 then slot = slot .. '.' end
  local header = call('HGET', slot, key)
  local v, marked = BASE, MARK
  if header then
    local form = byte(header)
    marked = marked or form >= 97 -- a mark stays until it is sent
    if form == 112 then
      if header >= PLAIN_LOW then v = next_version(sub(header, 2)) end
    elseif form == 80 then
      if header >= PLAIN_UP then v = next_version(sub(header, 2)) end
    elseif form == 68 or form == 100 then
      v = next_version(sub(header, 2))
    elseif form == 88 or form == 120 then
      v = next_version(above(sub(header, 2, 25)))
    else
      return general('P', sub(slot, 7, 9), key, value, at)
    end
  end
  if at == 0 then
    if not is_native then
      local reply = try('SET', key, value)
      if reply.err then return { err = reply.err } end
    end
    local text
    if v == BASE then text = marked and PLAIN_LOW or PLAIN_UP else text = (marked and 'p' or 'P') .. v end
    call('HSET', slot, key, text)
    return v
  end
  if at <= now_ms then return general('P', sub(slot, 7, 9), key, value, at) end
  local reply
  if NATIVE_TTL then reply = try('SET', key, value, 'PXAT', format('%.0f', at)) else reply = try('SET', key, value) end
  if reply.err then return { err = reply.err } end
  call('HSET', slot, key, (marked and 'x' or 'X') .. v .. format('%012x', at))
  return v
end

local quick

-- C: the commonest commands have a short way too.
local function command(i)
  quick = quick or make_quick(plain)
  local ok, result, after = pcall(quick, i)
  if not ok then return general('E', i, result) end
  if result then return result, after end
  return general('C', i)
end

local i, count, last = 4, 0, #ARGV
local RUN = 64 -- plain SETs to one native call

-- Plain SETs that follow each other, from unit i on: one native call for all their values, then each one's header. Where
-- one of them has needed the general way, which sets its value again, those behind it do so too: it may be the same key's.
local function plain_run()
  local values, n, from, op = {}, 0, i, ARGV[i]
  while op and byte(op) == 109 and n < 2 * RUN do
    local value = ARGV[i + 2]
    if #value > MAX_VALUE_BYTES then break end
    values[n + 1], values[n + 2] = ARGV[i + 1], value
    n, i = n + 2, i + 3
    op = ARGV[i]
  end
  if n == 0 then i = i + 3 end -- one too long
  local is_native = n > 2 and not try('MSET', unpack(values)).err
  for j = from, i - 3, 3 do
    local result = plain(ARGV[j], ARGV[j + 1], ARGV[j + 2], 0, is_native)
    if type(result) ~= 'string' then is_native = false end
    count = count + 1
    RESULTS[count] = result
  end
end

while i <= last do
  local op = ARGV[i]
  if byte(op) == 109 then
    plain_run()
  else
    count = count + 1
    if op == 'X' then
      RESULTS[count] = plain(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], math.min(tonumber(ARGV[i + 4]), LARGEST_AT))
      i = i + 5
    elseif op == 'x' then
      local at = math.min(now_ms + tonumber(ARGV[i + 4]), LARGEST_AT)
      local result = plain(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], at)
      if type(result) == 'string' then result = result .. format('%012x', at) end
      RESULTS[count] = result
      i = i + 5
    elseif op == 'C' then
      RESULTS[count], i = command(i)
    else
      RESULTS[count], i = general(op, i)
    end
  end
end
return RESULTS
