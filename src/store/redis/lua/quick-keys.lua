-- Quick deletes and expiries (quick.lua).

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

local function getdel(key)
  local old = try('GET', key)
  if failed(old) then return nil end
  if not old then return { false, '' } end
  local result = delete(key)
  if result and result[1] == 1 then result[1] = old end
  return result
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

return function(name, key, i, _, argc)
  if name == 'del' or name == 'unlink' then return argc == 2 and delete(key) end
  if name == 'getdel' then return argc == 2 and getdel(key) end
  if argc ~= 3 then return nil end
  if name == 'expire' then return expire(key, ARGV[i + 7], 1000, true) end
  if name == 'pexpire' then return expire(key, ARGV[i + 7], 1, true) end
  if name == 'expireat' then return expire(key, ARGV[i + 7], 1000, false) end
  return expire(key, ARGV[i + 7], 1, false)
end
