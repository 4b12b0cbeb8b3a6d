-- The SET family beside plain SETs, quick (quick.lua). `plain`: the write script's plain SET.

-- SET, SETEX, SETNX, GETSET as a plain SET; `reply`: what the client gets.
local function set(key, value, when, reply)
  if #value > MAX_VALUE_BYTES then return nil end
  local v = plain(slot, key, value, when)
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
  return when and set(key, ARGV[i + 8], when, OK)
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
  return set(key, ARGV[i + 7], when, OK)
end

local function setnx(key, i)
  if #ARGV[i + 7] > MAX_VALUE_BYTES then return nil end
  if call('EXISTS', key) == 1 then return { 0, '' } end
  return set(key, ARGV[i + 7], 0, 1)
end

local function getset(key, i)
  local old = try('GET', key)
  if failed(old) then return nil end
  return set(key, ARGV[i + 7], 0, old)
end

return function(name, key, i, last, argc)
  if name == 'set' then return argc >= 3 and set_form(key, i, last) end
  if name == 'setex' then return argc == 4 and set_ttl_form(key, i, 1000) end
  if name == 'psetex' then return argc == 4 and set_ttl_form(key, i, 1) end
  if argc ~= 3 then return nil end
  if name == 'setnx' then return setnx(key, i) end
  return getset(key, i)
end
