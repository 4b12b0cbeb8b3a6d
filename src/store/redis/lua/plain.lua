-- Headers of keys, with the values of plain ones: both of the same moment. Changes nothing.
--
-- ARGV: bytes, then per key: tag key
-- Result: { header value }* of as many keys as have room in `bytes`, at least one; header: '' none; value: of a plain SET, else false

local PLAIN = { [80] = true, [112] = true, [88] = true, [120] = true }
local bytes = tonumber(ARGV[1])
local out = {}
for i = 2, #ARGV, 2 do
  local key = ARGV[i + 1]
  local header = load_header('mqkv:{' .. ARGV[i] .. '}', key) or ''
  local value = false
  if header ~= '' and PLAIN[byte(header)] then
    value = try('GET', key)
    if type(value) ~= 'string' then value = false end
  end
  out[#out + 1] = header
  out[#out + 1] = value
  bytes = bytes - #key - #header - (value and #value or 0)
  if bytes <= 0 then break end
end
return out
