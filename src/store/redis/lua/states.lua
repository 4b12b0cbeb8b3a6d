-- The states of a unit: loaded once, with one version for all.

local function crc16(key)
  local crc = 0
  for i = 1, #key do
    crc = bit.bxor(crc, bit.lshift(byte(key, i), 8))
    for _ = 1, 8 do
      crc = bit.lshift(crc, 1)
      if bit.band(crc, 65536) ~= 0 then crc = bit.bxor(crc, 69665) end
    end
  end
  return crc
end

local function tag_of(key)
  local open = string.find(key, '{', 1, true)
  local close = open and string.find(key, '}', open + 1, true)
  local slot = crc16(close and close > open + 1 and sub(key, open + 1, close - 1) or key) % 16384
  local tag = call('GETRANGE', 'mqkv:tags', slot * 3, slot * 3 + 2)
  if #tag ~= 3 then error({ err = 'ERR mqkv:tags is missing: mqkv has not opened this store' }) end
  return tag
end

local function load_state(key, tag)
  local slot = 'mqkv:{' .. tag .. '}'
  local s = {
    key = key, tag = tag, slot = slot, rkey = slot .. ':' .. key,
    clear = '', kind = '', type = 0, ev = '', at = 0, until_ = '', reach = '', newest = '', count = 0, flags = '',
    regs = {}, dirty = {}, touched = {}, names = {},
  }
  local text
  if #key <= SHORT_BYTES then
    text = call('HGET', slot, key)
    if text == 'L' then
      s.large = true
      text = call('HGET', slot .. '.', key)
    end
  else
    text = call('HGET', slot .. '.', key)
    s.large = text and true
  end
  s.text, s.exists = text or '', text and true or false
  if text then decode_header(s, text) else s.noregs = true end
  unit.states[key] = s
  unit.list[#unit.list + 1] = s
  if s.at ~= 0 and s.at <= now_ms then free(s) end
  if unit.v and s.newest >= unit.v then unit.v = next_version(s.newest) end
  return s
end

-- The state of a key; loads one that the unit has not named (a script's undeclared key on a single Redis).
local function key_state(key)
  local s = unit.states[key]
  if s then return s end
  if CLUSTER then error({ err = 'ERR on a cluster a script may only use the keys that it declares' }) end
  if sub(key, 1, 5) == 'mqkv:' then error({ err = "ERR key names beginning with 'mqkv:' are reserved" }) end
  return load_state(key, tag_of(key))
end

-- Begins a unit over keys that stand in ARGV as (key tag)* from `at`.
local function unit_begin(argv, at, count)
  unit = { states = {}, list = {}, opened = {} }
  for i = at, at + 2 * count - 1, 2 do
    if not unit.states[argv[i]] then load_state(argv[i], argv[i + 1]) end
  end
end

-- The unit's version, chosen at its first effect.
local function unit_version()
  local v = unit.v
  if v then return v end
  local newest = ''
  for _, s in ipairs(unit.list) do if s.newest > newest then newest = s.newest end end
  v = next_version(newest)
  unit.v = v
  return v
end
