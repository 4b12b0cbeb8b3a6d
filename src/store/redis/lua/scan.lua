-- Headers of slots as they lie, with the values of plain ones: what comparisons and pages are made of. Changes nothing.
--
-- ARGV: count keys bytes, then places: tag place cursor*      count: of each HSCAN; place: '' the slot's hash, '.' the large one
-- Result: per place looked at, in this order: { next cursor, { key header value }* }; it ends behind the place where more than
--   `keys` keys or `bytes` bytes are reached, or that is not finished. bytes '0': no values
-- value: of a plain SET, unless it is gone or the bytes are used up; else false

local PLAIN = { [80] = true, [112] = true, [88] = true, [120] = true }
local keys, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local with_values = bytes > 0

local function value_of(key, header)
  if bytes <= 0 or not PLAIN[byte(header)] then return false end
  local value = try('GET', key)
  if type(value) ~= 'string' then return false end
  bytes = bytes - #value
  return value
end

local function scan(tag, place, cursor)
  local reply = call('HSCAN', 'mqkv:{' .. tag .. '}' .. place, cursor, 'COUNT', ARGV[1])
  local out, entries = { reply[1] }, reply[2]
  local n = 1
  for i = 1, #entries, 2 do
    local key, header = entries[i], entries[i + 1]
    if header ~= 'L' then
      out[n + 1], out[n + 2], out[n + 3] = key, header, value_of(key, header)
      n = n + 3
      keys = keys - 1
      bytes = bytes - #key - #header
    end
  end
  return out
end

local results = {}
for i = 4, #ARGV, 3 do
  local found = scan(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  results[#results + 1] = found
  if keys <= 0 or (with_values and bytes <= 0) or found[1] ~= '0' then break end
end
return results
