-- The commonest commands on one key without states and rules as tables: what they change is exactly what the general units
-- change. `quick(i)` gives nothing, and has changed nothing, where argument, header or register is not of the plain kind.
-- test/redis-write-quick.test.ts holds both against each other.
-- (Before it in the text: quick-header.lua, quick-fields.lua, quick-counters.lua, quick-strings.lua.)

-- EXPIRE and its family without options, of a time to come.
local function expire(key, text, scale, is_relative)
  if #text > 13 or not match(text, '^[1-9]%d*$') then return nil end
  local when = text * scale + (is_relative and now_ms or 0)
  if when <= now_ms or when > 281474976710655 then return nil end
  if typ == '' then return call('EXISTS', key) == 0 and { 0, '' } or nil end
  if reg ~= '' then
    local _, v, _, runs = parse(sub(reg, 3))
    saw(v, runs)
  end
  if NATIVE_TTL then
    if call('PEXPIREAT', key, format('%.0f', when)) == 0 then return { 0, '' } end
  elseif call('EXISTS', key) == 0 then return { 0, '' } end
  local v = next_version(newest)
  ev, at = v, format('%012x', when)
  changed(v, false)
  local is_whole
  if typ == '1' then is_whole = call('STRLEN', key) <= 16384
  elseif not noregs and call('HLEN', slot .. ':' .. key) > 400 then is_whole = false
  else is_whole = (call('MEMORY', 'USAGE', key, 'SAMPLES', 0) or 0) <= 16384 end
  if MARK and is_whole and typ ~= '1' and not string.find(flags, 'w', 1, true) then flags = flags .. 'w' end
  store(key)
  return { 1, v, key, is_whole and '*' or 0 }
end

-- LPUSH, RPUSH, LPOP, RPOP on a list that stays.
local function change_list(command, key, i, last)
  if reg ~= '' then
    local form = byte(reg, 3)
    if sub(reg, 2, 2) ~= '5' or (form ~= 86 and form ~= 84) then return nil end
    saw(sub(reg, 4), '')
  elseif not noregs then return nil end
  if typ ~= '' and typ ~= '5' then return nil end
  local reply
  if last == i + 6 then
    local length = try('LLEN', key)
    if failed(length) or length < 2 then return nil end
    reply = try(command, key)
  else
    reply = try(command, key, unpack(ARGV, i + 7, last))
  end
  if failed(reply) then return nil end
  local v = next_version(newest)
  reg, typ = '|5V' .. v, '5'
  changed(v, true)
  store(key)
  return { reply, v, key, 1, '5' }
end

local function run(name, key, i, last)
  local argc = last - i - 4
  if name == 'incr' then return argc == 2 and increment_string(key, '1') or nil end
  if name == 'hset' then return argc % 2 == 0 and argc >= 4 and put_fields(key, '2', 'HSET', i, last, i + 7, 2) or nil end
  if name == 'sadd' then return put_fields(key, '3', 'SADD', i, last, i + 7, 1) end
  if name == 'zadd' then
    if argc % 2 ~= 0 or argc < 4 or not match(ARGV[i + 7], '^[%d.+-]') then return nil end
    return put_fields(key, '4', 'ZADD', i, last, i + 8, 2)
  end
  if name == 'del' or name == 'unlink' then return argc == 2 and delete(key) or nil end
  if name == 'hdel' then return remove_fields(key, '2', 'HDEL', i, last) end
  if name == 'srem' then return remove_fields(key, '3', 'SREM', i, last) end
  if name == 'zrem' then return remove_fields(key, '4', 'ZREM', i, last) end
  if name == 'lpush' or name == 'rpush' then return argc >= 3 and last - i < 1000 and change_list(name, key, i, last) or nil end
  if name == 'lpop' or name == 'rpop' then return argc == 2 and change_list(name, key, i, last) or nil end
  if name == 'decr' then return argc == 2 and increment_string(key, '-1') or nil end
  if name == 'hincrby' then return argc == 4 and increment_field(key, ARGV[i + 7], amount(ARGV[i + 8], 1)) or nil end
  if name == 'set' then return argc >= 3 and set_form(key, i, last) or nil end
  if name == 'setex' then return argc == 4 and set_ttl_form(key, i, 1000) or nil end
  if name == 'psetex' then return argc == 4 and set_ttl_form(key, i, 1) or nil end
  if name == 'hsetnx' then return argc == 4 and put_fields(key, '2', 'HSETNX', i, last, i + 7, 2) or nil end
  if name == 'getdel' then return argc == 2 and getdel(key) or nil end
  if argc ~= 3 then return nil end
  if name == 'setnx' then return setnx(key, i) end
  if name == 'getset' then return getset(key, i) end
  if name == 'append' then return append(key, i) end
  local argument = ARGV[i + 7]
  if name == 'incrby' then return increment_string(key, amount(argument, 1)) end
  if name == 'decrby' then return increment_string(key, amount(argument, -1)) end
  if name == 'expire' then return expire(key, argument, 1000, true) end
  if name == 'pexpire' then return expire(key, argument, 1, true) end
  if name == 'expireat' then return expire(key, argument, 1000, false) end
  if name == 'pexpireat' then return expire(key, argument, 1, false) end
end

-- (Compared one by one: a table would be made at each call.)
local function is_quick(n)
  return n == 'incr' or n == 'hset' or n == 'sadd' or n == 'zadd' or n == 'del' or n == 'unlink' or n == 'hdel' or n == 'srem'
    or n == 'zrem' or n == 'lpush' or n == 'rpush' or n == 'lpop' or n == 'rpop' or n == 'decr' or n == 'hincrby'
    or n == 'set' or n == 'setex' or n == 'psetex' or n == 'setnx' or n == 'getset' or n == 'getdel' or n == 'append'
    or n == 'hsetnx' or n == 'incrby' or n == 'decrby' or n == 'expire' or n == 'pexpire' or n == 'expireat' or n == 'pexpireat'
end

-- The C unit at i: its result, and where the next one stands.
return function(i)
  if ARGV[i + 1] ~= '1' then return nil end
  local key, last, name = ARGV[i + 2], i + 4 + ARGV[i + 4], string.lower(ARGV[i + 5])
  if not is_quick(name) or ARGV[i + 6] ~= key then return nil end
  local result = load(key, ARGV[i + 3]) and run(name, key, i, last)
  return result or nil, last + 1
end
