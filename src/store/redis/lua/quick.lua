-- The commonest commands on one key without states and rules as tables: what they change is exactly what the general units
-- change. `quick(i)` gives nothing, and has changed nothing, where argument, header or register is not of the plain kind.
-- test/redis-write-quick.test.ts holds both against each other.
-- (Before it in the text: quick-header.lua and quick-fields.lua.)

-- The parts of a register's text; nothing: it is none.
local function parse(text)
  local form = byte(text)
  if form == 86 or form == 118 then return 'N', sub(text, 2), '', '', '' end
  if form == 84 or form == 116 then return 'T', sub(text, 2), '', '', '' end
  return match(text, '^.(.);(%x*);([^;]*);([^;]*);(.*)$')
end

-- The newest version of the register in the header counts too.
local function saw(v, runs)
  if v > newest then newest = v end
  for run in gmatch(runs, '(%x+):%x+:') do if run > newest then newest = run end end
end

local function is_small(text)
  return #text <= 14 and match(text, '^%-?%d+$') ~= nil
end

local function are_small(list)
  for total in gmatch(list .. ',', ':([^:,]*),') do if not is_small(total) then return false end end
  return true
end

-- The same for a register with one run, of this origin, and no seen, as most have.
local function added_to_one(text, increment, is_inline)
  local k, v, at_, start, total, base = match(text, '^[Rr](.);(%x*);;(%x+):(%x+):(%-?%d+);(.*)$')
  if not k or sub(at_, 17, 24) ~= ORIGIN or #total > 14 or (k == 'B' and not is_small(base)) then return nil end
  if is_inline then
    if at_ > newest then newest = at_ end
    if v > newest then newest = v end
  end
  local new = next_version(newest)
  return k .. ';' .. v .. ';;' .. new .. ':' .. start .. ':' .. format('%.0f', total + increment) .. ';' .. base, new
end

-- INCRBY, HINCRBY on a register (text or nil): what stands behind its mark, given the native text before. Nothing: not for
-- this file. Small totals only, so that sums stay exact and native and sum agree.
local function added(text, base, increment, is_inline)
  local k, v, seen, runs, own_base = '-', '', '', '', ''
  if text then
    local body, new = added_to_one(text, increment, is_inline)
    if body then return body, new end
    k, v, seen, runs, own_base = parse(text)
    if is_inline then saw(v, runs) end
    if k == 'N' then
      if type(base) ~= 'string' then return nil end
      k, own_base = 'B', base
    end
  end
  if #runs + #seen > 1000 or not are_small(seen) or not are_small(runs) or (k == 'B' and not is_small(own_base)) then return nil end
  local new = next_version(newest)
  if runs == '' then
    runs = new .. ':' .. new .. ':' .. increment
  else
    local parts, own = {}, nil
    for run in gmatch(runs, '[^,]+') do
      parts[#parts + 1] = run
      if sub(run, 17, 24) == ORIGIN then own = #parts end
    end
    if not own then return nil end
    local start, total = match(parts[own], '^%x+:(%x+):(.*)$')
    parts[own] = new .. ':' .. start .. ':' .. format('%.0f', total + increment)
    runs = table.concat(parts, ',')
  end
  return k .. ';' .. v .. ';' .. seen .. ';' .. runs .. ';' .. own_base, new
end

local function amount(text, sign)
  if #text > 14 or not (match(text, '^%-?[1-9]%d*$') or text == '0') then return nil end
  return format('%.0f', sign * tonumber(text) + 0)
end

local function integer(reply, ...)
  if reply < 9007199254740992 and reply > -9007199254740992 then return reply end
  return { ok = '\1I' .. call(...) }
end

-- INCR, DECR, INCRBY, DECRBY. `native`: INCRBY's argument.
local function increment_string(key, increment)
  if not increment or (typ ~= '' and typ ~= '1') then return nil end
  local text = nil
  if reg ~= '' then
    if sub(reg, 2, 2) ~= '1' then return nil end
    text = sub(reg, 3)
  elseif not noregs then return nil end
  local base = text and byte(text) == 86 and try('GET', key)
  local body, v = added(text, base, increment, true)
  if not body then return nil end
  local reply = try('INCRBY', key, increment)
  if failed(reply) then return nil end
  reg, typ = '|1R' .. body, '1'
  changed(v, true)
  store(key)
  return { integer(reply, 'GET', key), v, key, 1, '1' }
end

local function increment_field(key, field, increment)
  if not increment or (typ ~= '' and typ ~= '2') or reg ~= '' then return nil end
  local rkey, name = slot .. ':' .. key, '2' .. field
  local text = not noregs and call('HGET', rkey, name) or nil
  local form = text and byte(text)
  local base = (form == 86 or form == 118) and try('HGET', key, field)
  local body, v = added(text, base, increment, false)
  if not body then return nil end
  local reply = try('HINCRBY', key, field, increment)
  if failed(reply) then return nil end
  local was = form and form >= 97
  call('HSET', rkey, name, ((MARK or was) and 'r' or 'R') .. body)
  if MARK and not was then counted(1) end
  if not string.find(flags, 's', 1, true) then flags = flags .. 's' end
  typ = '2'
  changed(v, true)
  store(key)
  return { integer(reply, 'HGET', key, field), v, key, 1, name }
end

local function delete(key)
  if string.find(flags, 's', 1, true) then return nil end
  if reg ~= '' then
    local _, v, seen, runs = parse(sub(reg, 3))
    if seen ~= '' or (runs ~= '' and (string.find(runs, ',', 1, true) or sub(runs, 17, 24) ~= ORIGIN)) then return nil end
    saw(v, runs)
  end
  if call('DEL', key) == 0 then return { 0, '' } end
  if not noregs then call('DEL', slot .. ':' .. key) end
  local v = next_version(newest)
  call('HSET', slot, key, ((marked or MARK) and 'd' or 'D') .. v)
  if large then call('HDEL', slot .. '.', key) end
  return { 1, v, key, '*' }
end

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
  if argc ~= 3 then return nil end
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
    or n == 'incrby' or n == 'decrby' or n == 'expire' or n == 'pexpire' or n == 'expireat' or n == 'pexpireat'
end

-- The C unit at i: its result, and where the next one stands.
return function(i)
  if ARGV[i + 1] ~= '1' then return nil end
  local key, last, name = ARGV[i + 2], i + 4 + ARGV[i + 4], string.lower(ARGV[i + 5])
  if not is_quick(name) or ARGV[i + 6] ~= key then return nil end
  local result = load(key, ARGV[i + 3]) and run(name, key, i, last)
  return result or nil, last + 1
end
