-- Totals: decimal integers of any size as text, doubles as 'd' + %.17g; what a sum shows as. As src/crdt/number.ts.

-- a + b of decimal integers (text).
local function magnitude(text)
  if byte(text) == 45 then return true, (match(sub(text, 2), '^0*(%d+)$')) end
  return false, (match(text, '^0*(%d+)$'))
end

-- Order of two magnitudes: negative, 0 or positive.
local function compare_magnitudes(a, b)
  if #a ~= #b then return #a - #b end
  for i = 1, #a, 12 do
    local x, y = tonumber(sub(a, i, i + 11)), tonumber(sub(b, i, i + 11))
    if x ~= y then return x - y end
  end
  return 0
end

local function combine_magnitudes(a, b, sign)
  local limbs, carry = {}, 0
  for i = 0, floor((math.max(#a, #b) + 11) / 12) - 1 do
    local x = tonumber(sub(a, math.max(1, #a - 12 * i - 11), math.max(0, #a - 12 * i))) or 0
    local y = tonumber(sub(b, math.max(1, #b - 12 * i - 11), math.max(0, #b - 12 * i))) or 0
    local z = x + sign * y + carry
    carry = 0
    if z >= 1e12 then z, carry = z - 1e12, 1 elseif z < 0 then z, carry = z + 1e12, -1 end
    table.insert(limbs, 1, format('%012.0f', z))
  end
  if carry == 1 then table.insert(limbs, 1, '1') end
  return (match(table.concat(limbs), '^0*(%d+)$'))
end

local function add_decimals(a, b)
  if #a <= 15 and #b <= 15 then return format('%.0f', tonumber(a) + tonumber(b) + 0) end
  local negative_a, x = magnitude(a)
  local negative_b, y = magnitude(b)
  if negative_a == negative_b then
    local sum = combine_magnitudes(x, y, 1)
    return (negative_a and sum ~= '0' and '-' or '') .. sum
  end
  local order = compare_magnitudes(x, y)
  if order == 0 then return '0' end
  if order < 0 then x, y, negative_a = y, x, negative_b end
  return (negative_a and '-' or '') .. combine_magnitudes(x, y, -1)
end

local function negated(text)
  if text == '0' then return text end
  return byte(text) == 45 and sub(text, 2) or '-' .. text
end

local INT64_MAX, INT64_MIN = '9223372036854775807', '9223372036854775808' -- magnitudes

-- Text as an integer of 64 bits, without leading zeros; nil: it is none.
local function integer_text(text)
  if #text > 65 or not match(text, '^%-?%d+$') then return nil end
  local negative, digits = magnitude(text)
  if #digits >= 19 and compare_magnitudes(digits, negative and INT64_MIN or INT64_MAX) > 0 then return nil end
  if digits == '0' then return '0' end
  return (negative and '-' or '') .. digits
end

-- An integer argument as Redis reads it: no plus, no leading zeros. nil: it is none.
local function parse_int64(text)
  if not (match(text, '^%-?[1-9]%d*$') or text == '0') or #text > 20 then return nil end
  return integer_text(text)
end

-- A double as strtod reads it: decimal, hexadecimal, infinities; no blanks, no NaN. nil: it is none.
local function parse_double(text)
  if text == '' or match(text, '[%s%z]') then return nil end
  local x = tonumber(text)
  if x == nil then
    if match(text, '^%+') and not match(text, '^%+[%+%-]') then x = tonumber(sub(text, 2)) end
    if x == nil then return nil end
  end
  if x ~= x then return nil end
  local is_infinite = x == math.huge or x == -math.huge
  if is_infinite and not match(string.lower(text), '^[+-]?inf') then return nil end
  if x == 0 and match(match(text, '^[^eEpPxX]*'), '[1-9]') then return nil end
  return x
end

-- A decimal number that counters can stand on, as a double; nil: it is none.
local function parse_decimal(text)
  if not match(text, '^[+-]?%d') and not match(text, '^[+-]?%.%d') then return nil end
  if match(text, '[^%d%.eE+-]') then return nil end
  local x = tonumber(text) or tonumber((match(text, '^%+(.*)$')) or '')
  if x == nil or x ~= x or x == math.huge or x == -math.huge then return nil end
  return x
end

-- What a value's text counts as: an integer's text, a double, or nil. `is_string`: texts of more than 400 bytes are no numbers.
local function parse_total(text, is_string)
  if is_string and #text > 400 then return nil end
  return integer_text(text) or parse_decimal(text)
end

local function total_text(total)
  return type(total) == 'string' and total or 'd' .. format('%.17g', total)
end

local function read_total(text)
  if byte(text) == 100 then return tonumber(sub(text, 2)) end
  return text
end

-- a + b, a - b; doubles as soon as one of them is.
local function add_totals(a, b)
  if type(a) == 'string' and type(b) == 'string' then return add_decimals(a, b) end
  return tonumber(a) + tonumber(b)
end

local function subtract_totals(a, b)
  if type(a) == 'string' and type(b) == 'string' then return add_decimals(a, negated(b)) end
  return tonumber(a) - tonumber(b)
end

-- x with `digits` significant digits: those digits and the exponent of the first.
local function scientific(x, digits)
  local whole, fraction, exponent = match(format('%.' .. (digits - 1) .. 'e', x), '^(%d)%.?(%d*)e([+-]%d+)$')
  return whole .. fraction, tonumber(exponent)
end

-- The shortest digits that read back as x > 0, as JavaScript finds them; and the exponent of the first.
local function shortest(x)
  for digits = 15, 17 do
    local text, exponent = scientific(x, digits)
    if tonumber(sub(text, 1, 1) .. '.' .. sub(text, 2) .. 'e' .. exponent) == x then return text, exponent end
    -- Just above a power of two the nearest decimal may read back as the number below, and the next one as x.
    local up = add_decimals(text, '1')
    if #up == #text and tonumber(sub(up, 1, 1) .. '.' .. sub(up, 2) .. 'e' .. exponent) == x then return up, exponent end
  end
end

-- x rounded half up to 17 decimals, without trailing zeros.
local function fixed17(x)
  local whole, fraction = match(format('%.80f', x), '^(%d+)%.(%d+)$')
  local digits = whole .. sub(fraction, 1, 17)
  if byte(fraction, 18) >= 53 then
    local up = add_decimals(digits, '1')
    digits = string.rep('0', #digits - #up) .. up
  end
  local text = sub(digits, 1, #digits - 17) .. '.' .. sub(digits, -17)
  return (string.gsub(string.gsub(text, '0+$', ''), '%.$', ''))
end

-- The text that a sum shows as: shortest decimal, never an exponent, at most 17 decimals where it would need one.
local function shown_total(total)
  if type(total) == 'string' then return total end
  if total == math.huge then return 'inf' elseif total == -math.huge then return '-inf' end
  if total == 0 then return '0' end
  local sign, x = total < 0 and '-' or '', math.abs(total)
  local digits, exponent = shortest(x)
  digits = string.gsub(digits, '0+$', '')
  if exponent >= 0 then
    if #digits <= exponent + 1 then return sign .. digits .. string.rep('0', exponent + 1 - #digits) end
    return sign .. sub(digits, 1, exponent + 1) .. '.' .. sub(digits, exponent + 2)
  end
  if exponent < -6 and -exponent - 1 + #digits > 17 then return (string.gsub(sign .. fixed17(x), '^%-0$', '0')) end
  return sign .. '0.' .. string.rep('0', -exponent - 1) .. digits
end

-- Base and parts in order: exact and clamped to 64 bits if all are integers, else in doubles; NaN counts as 0.
local function sum_totals(base, parts)
  local exact = type(base) == 'string'
  for _, part in ipairs(parts) do exact = exact and type(part) == 'string' end
  if not exact then
    local sum = tonumber(base)
    for _, part in ipairs(parts) do sum = sum + tonumber(part) end
    return sum == sum and sum or 0
  end
  local sum = base
  for _, part in ipairs(parts) do sum = add_decimals(sum, part) end
  if integer_text(sum) then return sum end
  return byte(sum) == 45 and '-' .. INT64_MIN or INT64_MAX
end
