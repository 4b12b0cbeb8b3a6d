-- INCR and its family, of strings and hashes: additions (rule 3).

local NOT_FLOAT = { err = 'ERR value is not a valid float' }
local NOT_FINITE = { err = 'ERR increment would produce NaN or Infinity' }

local function has_doubles(r)
  if r.base and not integer_text(r.base) then return true end
  for _, list in ipairs({ r.runs, r.seen or {} }) do
    for _, run in ipairs(list) do if type(run.total) == 'number' then return true end end
  end
  return false
end

-- INCRBY, HINCRBY: the native command has added; here its register. Result: the reply.
-- Native and sum differ only where totals are doubles, or where a sum of several origins was clamped to 64 bits.
local function added_integer(s, typ, field, increment, base, reply)
  local read = typ == 1 and { 'GET', s.key } or { 'HGET', s.key, field }
  local text = math.abs(reply) >= 9007199254740992 and call(unpack(read)) or format('%.0f', reply)
  local r = add(s, typ, field, increment, base)
  if has_doubles(r) or (#r.runs > 1 and #text >= 19) then
    local shown = shown_text(r, typ)
    if shown ~= text then show_native(s, typ, field, r) end
  end
  return integer_reply(text)
end

local function increment_string(argv, command, digits)
  local key = argv[2]
  local s = open_key(key)
  local held = reg_get(s, 1, '')
  local base
  if not held or not held.runs then
    base = native('GET', key)
    if is_error(base) then base = nil end -- the command itself says which error comes first
  end
  local reply
  if argv[3] then reply = native(command, key, argv[3]) else reply = native(command, key) end
  if is_error(reply) then return reply end
  return added_integer(s, 1, '', digits, base or nil, reply)
end

row('incr', function(argv) return increment_string(argv, 'INCR', '1') end)
row('decr', function(argv) return increment_string(argv, 'DECR', '-1') end)
row('incrby', function(argv) return increment_string(argv, 'INCRBY', parse_int64(argv[3])) end)
row('decrby', function(argv)
  local digits = parse_int64(argv[3])
  return increment_string(argv, 'DECRBY', digits and negated(digits))
end)

row('hincrby', function(argv)
  local key, field = argv[2], argv[3]
  local s = open_key(key)
  local held = reg_get(s, 2, field)
  local base
  if not held or not held.runs then
    base = native('HGET', key, field)
    if is_error(base) then base = nil end
  end
  local reply = native('HINCRBY', key, field, argv[4])
  if is_error(reply) then return reply end
  return added_integer(s, 2, field, parse_int64(argv[4]), base or nil, reply)
end)

row('incrbyfloat', function(argv)
  local key = argv[2]
  local s = open_key(key)
  local old = native('GET', key)
  if is_error(old) then return old end
  local value, increment = old and parse_decimal(old) or (not old and 0), parse_double(argv[3])
  if not value or not increment then return NOT_FLOAT end
  local sum = value + increment
  if sum ~= sum or math.abs(sum) == math.huge then return NOT_FINITE end
  local reply = native('SET', key, old or '0', 'KEEPTTL')
  if is_error(reply) then return reply end
  local r = add(s, 1, '', increment, old or nil)
  show_native(s, 1, '', r)
  return call('GET', key)
end)

row('hincrbyfloat', function(argv)
  local key, field = argv[2], argv[3]
  local increment = parse_double(argv[4])
  if not increment then return NOT_FLOAT end
  if math.abs(increment) == math.huge then return { err = 'ERR value is NaN or Infinity' } end
  local s = open_key(key)
  local old = native('HGET', key, field)
  if is_error(old) then return old end
  local value = old and parse_decimal(old) or (not old and 0)
  if not value then return { err = 'ERR hash value is not a float' } end
  if math.abs(value + increment) == math.huge then return NOT_FINITE end
  local reply = native('HSET', key, field, old or '0')
  if is_error(reply) then return reply end
  local r = add(s, 2, field, increment, old or nil)
  show_native(s, 2, field, r)
  return call('HGET', key, field)
end)
