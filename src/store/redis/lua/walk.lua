-- Looks through headers for what needs somebody: marks left behind, fired keys that are still partly there, what may be forgotten.
--
-- ARGV: younger before tidy, then slots: tag place cursor*
--   younger: ms from which on marks are left to those who made them (a version of the future tells no age: its mark is not);
--   before: ms below which things may be forgotten, 0: none;
--   tidy: '1' look for old tombstones of living keys, 'all': every key is told; place: '' the slot's hash, '.' the large one
-- Result: per slot: { next cursor, headers that show nothing (not with 'all'), { key, what, header }* }
-- what: 'm' marked, 'f' fired, 'o' perhaps to be forgotten, 't' perhaps tombstones or what was seen to be forgotten, '@' a part expires, alone, 'k' nothing of these

local younger, before, tidy, all = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', ARGV[3] == 'all'
local SIZES = { hash = 'HLEN', set = 'SCARD', zset = 'ZCARD' }

local function ms_of(v)
  return tonumber(sub(v, 1, 12), 16) or 0
end

-- The newest version written out in a header's fields; of the short forms and of general ones.
local function newest_ms(header)
  local newest = 0
  local bar = string.find(header, '|', 1, true)
  for v in gmatch(sub(header, 2, bar and bar - 1 or -1), '%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x') do
    local ms = ms_of(v)
    if ms > newest then newest = ms end
  end
  return newest
end

local function at_of(header, form)
  if form == 88 then return tonumber(sub(header, 26), 16) end
  return tonumber(match(header, '^.[^,]*,[^,]*,[^,]*,[^,]*,(%x*),') or '', 16) or 0
end

local function has_old_tombstones(key, rkey)
  local registers = call('HLEN', rkey)
  if registers == 0 then return false end
  local size = SIZES[call('TYPE', key).ok]
  return not size or registers > call(size, key)
end

-- What registers have seen: of the register in the header, or perhaps of others.
local function has_seen(header)
  return match(header, '^[^|]*s') or match(header, '|%d[Rr].;%x*;[^;]+;')
end

local function shows_nothing(key, header)
  local form = byte(header)
  if form >= 97 then form = form - 32 end
  if form == 80 then return false end
  if form == 88 then return at_of(header, form) <= now_ms end
  return form == 68 or match(header, '^[^,]*,[^,]*,(%d*)') == '' or call('EXISTS', key) == 0
end

-- What an entry needs; nil: nothing.
local function need_of(key, header, slot)
  local form = byte(header)
  local marked = form >= 97
  if marked then form = form - 32 end
  local newest = newest_ms(header)
  if form == 71 and not marked then marked = match(header, '^[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,(%d*),') ~= '' end
  if marked then return (newest <= younger or newest > now_ms) and 'm' or nil end
  local at = (form == 88 or form == 71) and at_of(header, form) or 0
  if before > 0 and newest < before and at < before and call('EXISTS', key) == 0 then return 'o' end
  if form ~= 71 then return nil end
  local rkey = slot .. ':' .. key
  if at ~= 0 and at <= now_ms and (call('EXISTS', key) == 1 or call('EXISTS', rkey) == 1) then return 'f' end
  if at > now_ms and call('PTTL', key) == -1 then return '@' end
  if tidy and before > 0 and (has_seen(header) or has_old_tombstones(key, rkey)) then return 't' end
end

local function walk(tag, place, cursor)
  local slot = 'mqkv:{' .. tag .. '}'
  local reply = call('HSCAN', slot .. place, cursor, 'COUNT', 200)
  local out = { reply[1], 0 }
  local entries = reply[2]
  for i = 1, #entries, 2 do
    local key, header = entries[i], entries[i + 1]
    if header ~= 'L' and not all and shows_nothing(key, header) then out[2] = out[2] + 1 end
    local need = header ~= 'L' and (all and 'k' or need_of(key, header, slot))
    if need then
      out[#out + 1] = key
      out[#out + 1] = need
      out[#out + 1] = header
    end
  end
  return out
end

local results = {}
for i = 4, #ARGV, 3 do results[#results + 1] = walk(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return results
