-- Quick deletes and the SET family beside plain SETs (quick.lua). `plain`: the write script's plain SET.

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

-- SET, SETEX, SETNX, GETSET as a plain SET; `reply`: what the client gets.
local function set(key, tag, value, when, reply)
  if #value > MAX_VALUE_BYTES then return nil end
  local v = plain(tag, key, value, when)
  if type(v) ~= 'string' then return not v.err and { reply, unpack(v, 2) } or nil end
  return { reply, v, key, '*' }
end

-- Unix ms of a time to live; nil: not for this file.
local function end_of_ttl(text, scale)
  if not text or #text > 11 or not match(text, '^[1-9]%d*$') then return nil end
  return now_ms + text * scale
end

local OK = { ok = 'OK' }

local function set_ttl_form(key, i, scale)
  local when = end_of_ttl(ARGV[i + 7], scale)
  return when and set(key, ARGV[i + 3], ARGV[i + 8], when, OK)
end

-- SET with NX or XX, EX or PX.
local function set_form(key, i, last)
  local when, condition = 0, nil
  local j = i + 8
  while j <= last do
    local word = string.upper(ARGV[j])
    if (word == 'NX' or word == 'XX') and not condition then condition = word
    elseif (word == 'EX' or word == 'PX') and when == 0 and j < last then
      j = j + 1
      when = end_of_ttl(ARGV[j], word == 'EX' and 1000 or 1)
      if not when then return nil end
    else return nil end
    j = j + 1
  end
  if condition and #ARGV[i + 7] > MAX_VALUE_BYTES then return nil end
  if condition and (condition == 'NX') == (call('EXISTS', key) == 1) then return { false, '' } end
  return set(key, ARGV[i + 3], ARGV[i + 7], when, OK)
end

local function setnx(key, i)
  if #ARGV[i + 7] > MAX_VALUE_BYTES then return nil end
  if call('EXISTS', key) == 1 then return { 0, '' } end
  return set(key, ARGV[i + 3], ARGV[i + 7], 0, 1)
end

local function getset(key, i)
  local old = try('GET', key)
  if failed(old) then return nil end
  return set(key, ARGV[i + 3], ARGV[i + 7], 0, old)
end

local function getdel(key)
  local old = try('GET', key)
  if failed(old) then return nil end
  if not old then return { false, '' } end
  local result = delete(key)
  if result and result[1] == 1 then result[1] = old end
  return result
end

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
