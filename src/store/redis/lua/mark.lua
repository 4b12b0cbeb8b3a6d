-- Marks whole keys for the outbox again.
--
-- ARGV: per key: tag key
-- Result: per key: 1, or 0: it has no header

local FIELDS = '^.(.*),(%a*)$'

local function marked(header)
  local letter = string.lower(sub(header, 1, 1))
  if letter ~= 'g' then return letter .. sub(header, 2) end
  local bar = string.find(header, '|', 1, true)
  local fields, flags = match(sub(header, 1, bar and bar - 1 or -1), FIELDS)
  if not string.find(flags, 'w', 1, true) then flags = flags .. 'w' end
  return letter .. fields .. ',' .. flags .. (bar and sub(header, bar) or '')
end

local results = {}
for i = 1, #ARGV, 2 do
  local slot, key = 'mqkv:{' .. ARGV[i] .. '}', ARGV[i + 1]
  local header, large = load_header(slot, key)
  if header then save_header(slot, key, marked(header), large) end
  results[#results + 1] = header and 1 or 0
end
return results
