-- The commonest commands on one key without states and rules as tables: what they change is exactly what the general units
-- change. `quick(i)` gives nothing, and has changed nothing, where argument, header or register is not of the plain kind.
-- test/redis-write-quick.test.ts holds both against each other.
-- (Before it in the text: quick-header.lua, and for each other quick-NAME.lua a function make_NAME, so that a call makes
-- only what it needs. They give handler(name, key, i, last, argc): the result, false or nil.)

local fields, counters, keys, strings, whole

-- (Compared one by one: a table would be made at each call.)
local function handler_of(n)
  if n == 'incr' or n == 'incrby' or n == 'hincrby' or n == 'decr' or n == 'decrby' then
    counters = counters or make_counters()
    return counters
  end
  if n == 'hset' or n == 'sadd' or n == 'zadd' or n == 'hdel' or n == 'srem' or n == 'zrem' or n == 'hsetnx' then
    fields = fields or make_fields()
    return fields
  end
  if n == 'del' or n == 'unlink' or n == 'getdel' or n == 'expire' or n == 'pexpire' or n == 'expireat' or n == 'pexpireat' then
    keys = keys or make_keys()
    return keys
  end
  if n == 'set' or n == 'setex' or n == 'psetex' or n == 'setnx' or n == 'getset' then
    strings = strings or make_strings()
    return strings
  end
  if n == 'lpush' or n == 'rpush' or n == 'lpop' or n == 'rpop' or n == 'append' then
    whole = whole or make_whole()
    return whole
  end
end

-- The C unit at i: its result, and where the next one stands.
return function(i)
  if ARGV[i + 1] ~= '1' then return nil end
  local key, argc, name = ARGV[i + 2], ARGV[i + 4] + 0, string.lower(ARGV[i + 5])
  local handle = handler_of(name)
  if not handle or ARGV[i + 6] ~= key then return nil end
  local last = i + 4 + argc
  local result = load(key, ARGV[i + 3]) and handle(name, key, i, last, argc)
  return result or nil, last + 1
end
