-- Bitmaps and HyperLogLogs: strings that are put as a whole.

local TOO_LONG = { err = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)' }

-- Whether a string of so many bits would be longer than values may be.
local function is_too_long(bits)
  return math.ceil(bits / 8) > MAX_VALUE_BYTES
end

row('setbit', function(argv)
  local offset = parse_int64(argv[3])
  if offset and is_too_long(tonumber(offset) + 1) and tonumber(offset) < 4294967296 then return TOO_LONG end
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not is_error(reply) then put(s, 1, '') end
  return reply
end)

local ARGUMENTS_OF = { GET = 2, SET = 3, INCRBY = 3, OVERFLOW = 1 }
local OVERFLOWS = { WRAP = true, SAT = true, FAIL = true }
local BITS_MAX = 4294967296 -- of any string of Redis: 512 MiB

-- Type and place of an operation; false: Redis refuses it.
local function read_field(operation)
  local sign, width = match(operation[2], '^([iu])([1-9]%d?)$')
  local times, offset = match(operation[3], '^(#?)(%d+)$')
  offset = offset and parse_int64(offset)
  if not sign or not offset or (operation[4] and not parse_int64(operation[4])) then return false end
  operation.signed, operation.width = sign == 'i', tonumber(width)
  operation.offset = tonumber(offset) * (times == '#' and operation.width or 1)
  return operation.width <= (operation.signed and 64 or 63) and operation.offset + operation.width <= BITS_MAX
end

-- The operations of BITFIELD as lists of words, each with its type, width and first bit; nil: Redis refuses them.
local function read_operations(argv)
  local operations, i = {}, 3
  while argv[i] do
    local count = ARGUMENTS_OF[string.upper(argv[i])]
    if not count or not argv[i + count] then return nil end
    local operation = { unpack(argv, i, i + count) }
    operation.name = string.upper(argv[i])
    if count == 1 and not OVERFLOWS[string.upper(operation[2])] then return nil end
    if count > 1 and not read_field(operation) then return nil end
    operations[#operations + 1] = operation
    i = i + 1 + count
  end
  return operations
end

-- The integer in a field of more bits than a number of Lua holds, in decimal.
local function exact_field(key, operation)
  local first, width = operation.offset, operation.width
  local bytes = call('GETRANGE', key, floor(first / 8), floor((first + width - 1) / 8))
  local digits, negative = '0', false
  for i = 0, width - 1 do
    local at = first % 8 + i
    local held = byte(bytes, floor(at / 8) + 1) or 0
    local set = floor(held / 2 ^ (7 - at % 8)) % 2 == 1
    if i == 0 and operation.signed then negative = set end
    digits = add_decimals(add_decimals(digits, digits), set ~= negative and '1' or '0')
  end
  return negative and negated(add_decimals(digits, '1')) or digits
end

-- One operation; fields of more than 53 bits are read by themselves, since a script's integers are doubles.
local function operate(key, overflow, operation)
  local is_wide = operation.width > 53
  local before = is_wide and operation.name ~= 'INCRBY' and exact_field(key, operation)
  local words = { 'BITFIELD', key }
  if operation.name ~= 'GET' and overflow then words[3], words[4] = 'OVERFLOW', overflow end
  for _, word in ipairs(operation) do words[#words + 1] = word end
  local reply = native_list(words)
  if is_error(reply) then return reply end
  if not is_wide or reply[1] == false then return reply[1] end
  return integer_reply(before or exact_field(key, operation))
end

-- Operation by operation. They are well-formed, so only the first can fail (the key is of another type).
local function operate_all(key, operations)
  local replies, overflow = {}, nil
  for _, operation in ipairs(operations) do
    if operation.name == 'OVERFLOW' then overflow = operation[2] else
      local reply = operate(key, overflow, operation)
      if is_error(reply) then return reply end
      replies[#replies + 1] = reply
    end
  end
  return replies
end

row('bitfield', function(argv)
  local operations = read_operations(argv)
  if not operations then return native_list(argv) end
  local writes, is_wide = false, false
  for _, operation in ipairs(operations) do
    if operation.name == 'SET' or operation.name == 'INCRBY' then
      writes = true
      if is_too_long(operation.offset + operation.width) then return TOO_LONG end
    end
    if operation.width and operation.width > 53 then is_wide = true end
  end
  local s = open_key(argv[2])
  local replies
  if is_wide and not is_error(native('STRLEN', argv[2])) then replies = operate_all(argv[2], operations) else replies = native_list(argv) end
  if not is_error(replies) and writes then put(s, 1, '') end
  return replies
end)

-- PFCOUNT keeps its result inside the value: done now, the bytes stay as they are sent.
local function put_counted(s)
  call('PFCOUNT', s.key)
  put(s, 1, '')
end

row('pfadd', function(argv)
  local s = open_key(argv[2])
  local reply
  for i = 3, math.max(3, #argv), ARGUMENTS_MAX do
    local part = native('PFADD', argv[2], unpack(argv, i, math.min(#argv, i + ARGUMENTS_MAX - 1)))
    if is_error(part) then return part end
    reply = math.max(reply or 0, part)
  end
  if reply == 1 then put_counted(s) end
  return reply
end)

row('pfmerge', function(argv)
  for i = 3, #argv do key_state(argv[i]) end
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not is_error(reply) then put_counted(s) end
  return reply
end)
