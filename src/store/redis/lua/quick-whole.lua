-- Quick puts of values with one register, which lies in the header: APPEND, and pushes and pops of lists (quick.lua).

local function append(key, i)
  local text = ARGV[i + 7]
  if typ ~= '' and typ ~= '1' then return nil end
  if reg ~= '' then
    if sub(reg, 2, 2) ~= '1' then return nil end
    local _, v, seen, runs = parse(sub(reg, 3))
    if seen ~= '' or runs ~= '' then return nil end
    saw(v, runs)
  elseif not noregs then return nil end
  local length = try('STRLEN', key)
  if failed(length) or length + #text > MAX_VALUE_BYTES then return nil end
  local reply = try('APPEND', key, text)
  if failed(reply) then return nil end
  local v = next_version(newest)
  reg, typ = '|1V' .. v, '1'
  changed(v, true)
  store(key)
  return { reply, v, key, 1, '1' }
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

return function(name, key, i, last, argc)
  if name == 'append' then return argc == 3 and append(key, i) end
  if name == 'lpush' or name == 'rpush' then return argc >= 3 and argc < 1000 and change_list(name, key, i, last) end
  return argc == 2 and change_list(name, key, i, last)
end
