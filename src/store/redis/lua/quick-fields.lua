-- Quick puts and removals of fields and members (quick.lua).

-- Register texts of the fields at ARGV[from], from + step, ... : names, texts; nothing where one is not plain or comes twice.
local function registers(rkey, from, last, step)
  local names, texts, seen = {}, {}, {}
  for j = from, last, step do
    local name = typ .. ARGV[j]
    if seen[name] then return nil end
    seen[name] = true
    names[#names + 1] = name
  end
  if #names == 0 or #names > 200 then return nil end
  if noregs then return names, texts end
  if #names == 1 then texts[1] = call('HGET', rkey, names[1]) else texts = call('HMGET', rkey, unpack(names)) end
  for j = 1, #names do
    local form = texts[j] and byte(texts[j])
    if form and form ~= 118 and form ~= 86 and form ~= 116 and form ~= 84 then return nil end
  end
  return names, texts
end

local function write_registers(rkey, sets)
  if #sets == 2 then call('HSET', rkey, sets[1], sets[2]) else call('HSET', rkey, unpack(sets)) end
end

local function put_field(rkey, key, command, i, last, name)
  local text = not noregs and call('HGET', rkey, name)
  local was = false
  if text then
    local form = byte(text)
    was = form >= 97
    if form ~= 118 and form ~= 86 and form ~= 116 and form ~= 84 then return nil end
  end
  local reply = try(command, key, unpack(ARGV, i + 7, last))
  if failed(reply) then return nil end
  if reply == 0 and command == 'HSETNX' then return { 0, '' } end
  local v = next_version(newest)
  call('HSET', rkey, name, ((MARK or was) and 'v' or 'V') .. v)
  if MARK and not was then counted(1) end
  changed(v, true)
  store(key)
  return { reply, v, key, 1, name }
end

-- HSET, SADD, ZADD: the fields stand at `from`, from + step ...
local function put_fields(key, digit, command, i, last, from, step)
  if (typ ~= '' and typ ~= digit) or reg ~= '' then return nil end
  typ = digit
  local rkey = slot .. ':' .. key
  if from + step > last and from <= last then return put_field(rkey, key, command, i, last, digit .. ARGV[from]) end
  local names, texts = registers(rkey, from, last, step)
  if not names then return nil end
  local reply = try(command, key, unpack(ARGV, i + 7, last))
  if failed(reply) then return nil end
  local v = next_version(newest)
  local out, sets, more = { reply, v, key, #names }, {}, 0
  for j = 1, #names do
    local was = texts[j] and byte(texts[j]) >= 97
    if MARK and not was then more = more + 1 end
    sets[2 * j - 1] = names[j]
    sets[2 * j] = ((MARK or was) and 'v' or 'V') .. v
    out[4 + j] = names[j]
  end
  write_registers(rkey, sets)
  counted(more)
  changed(v, true)
  store(key)
  return out
end

-- HDEL, SREM, ZREM.
local function remove_fields(key, digit, command, i, last)
  if typ ~= digit or reg ~= '' then return nil end
  local rkey = slot .. ':' .. key
  local names, texts = registers(rkey, i + 7, last, 1)
  if not names then return nil end
  local reply = try(command, key, unpack(ARGV, i + 7, last))
  if failed(reply) then return nil end
  if reply == 0 then return { 0, '' } end
  local v = next_version(newest)
  local out, sets, more = { reply, v, key, 0 }, {}, 0
  for j = 1, #names do
    local form = texts[j] and byte(texts[j])
    if form == 118 or form == 86 then
      local was = form == 118
      if MARK and not was then more = more + 1 end
      sets[#sets + 1] = names[j]
      sets[#sets + 1] = ((MARK or was) and 't' or 'T') .. v
      out[#out + 1] = names[j]
    end
  end
  if #sets == 0 then return { reply, '' } end
  out[4] = #sets / 2
  write_registers(rkey, sets)
  counted(more)
  changed(v, false)
  store(key)
  return out
end

return function(name, key, i, last, argc)
  if name == 'hset' then return argc % 2 == 0 and argc >= 4 and put_fields(key, '2', 'HSET', i, last, i + 7, 2) end
  if name == 'sadd' then return put_fields(key, '3', 'SADD', i, last, i + 7, 1) end
  if name == 'zadd' then
    return argc % 2 == 0 and argc >= 4 and match(ARGV[i + 7], '^[%d.+-]') and put_fields(key, '4', 'ZADD', i, last, i + 8, 2)
  end
  if name == 'hdel' then return remove_fields(key, '2', 'HDEL', i, last) end
  if name == 'srem' then return remove_fields(key, '3', 'SREM', i, last) end
  if name == 'zrem' then return remove_fields(key, '4', 'ZREM', i, last) end
  return argc == 4 and put_fields(key, '2', 'HSETNX', i, last, i + 7, 2)
end
