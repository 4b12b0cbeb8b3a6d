-- Takes outbox marks away where what was sent is still what lies there.
--
-- ARGV: plain, then per key: tag key core nregs (name text)*
--   plain: what plain SETs have left in slot hashes: (slot hash's name: 10 bytes, length: 1 byte, header, length: 1 byte, key)*
--   core: the header without its first letter, count and flags, '' leave it; text: of the marked register as it was sent
-- Result: how many marks went.

local FIELDS = '^.([^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,)(%d*),(%a*)(.*)$'

-- Core, count, flags.
local function parts_of(header)
  local form = byte(header)
  if form ~= 71 and form ~= 103 then return sub(header, 2), 0, '' end
  local fields, count, flags, register = match(header, FIELDS)
  return fields .. register, tonumber(count) or 0, flags, fields, register
end

local function unmark_registers(rkey, at, count)
  local went = 0
  for _ = 1, count do
    local name, text = ARGV[at], ARGV[at + 1]
    if call('HGET', rkey, name) == text then
      call('HSET', rkey, name, string.upper(sub(text, 1, 1)) .. sub(text, 2))
      went = went + 1
    end
    at = at + 2
  end
  return went, at
end

local function unmark(slot, key, core, at, nregs)
  local header, large = load_header(slot, key)
  local went, after = 0, at + 2 * nregs
  if not header then return 0, after end
  if nregs > 0 then went = unmark_registers(slot .. ':' .. key, at, nregs) end
  local held, count, flags, fields, register = parts_of(header)
  local letter = sub(header, 1, 1)
  if core ~= '' and core == held and byte(letter) >= 97 then
    letter = string.upper(letter)
    flags = string.gsub(flags, 'w', '')
    went = went + 1
  elseif went == 0 then
    return 0, after
  end
  if not fields then
    save_header(slot, key, letter .. held, large)
    return went, after
  end
  count = count - (went - (letter ~= sub(header, 1, 1) and 1 or 0))
  local text = count > 0 and format('%.0f', count) or ''
  save_header(slot, key, letter .. fields .. text .. ',' .. flags .. register, large)
  return went, after
end

local i, total = 2, 0
do
  local plain, unpack_item, at = ARGV[1], struct.unpack, 1
  local last = #plain
  while at <= last do
    local slot, text, key
    slot, text, key, at = unpack_item('c10Bc0Bc0', plain, at)
    if call('HGET', slot, key) == text then
      call('HSET', slot, key, (byte(text) == 112 and 'P' or 'X') .. sub(text, 2))
      total = total + 1
    end
  end
end
while i <= #ARGV do
  local went
  went, i = unmark('mqkv:{' .. ARGV[i] .. '}', ARGV[i + 1], ARGV[i + 2], i + 4, tonumber(ARGV[i + 3]))
  total = total + went
end
return total
