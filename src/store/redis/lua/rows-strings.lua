-- String commands: the SET family and SETRANGE overwrite, APPEND puts. And EXPIRE and its family.

local SYNTAX = { err = 'ERR syntax error' }
local NOT_INTEGER = { err = 'ERR value is not an integer or out of range' }
local TOO_LONG = { err = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)' }
local UNITS = { EX = { 1000, true }, PX = { 1, true }, EXAT = { 1000, false }, PXAT = { 1, false } }
local LARGEST_AT = 281474976710655

-- Unix ms of an expiry argument; nil and an error.
local function expiry_at(text, unit_, name, positive)
  local digits = parse_int64(text)
  if not digits then return nil, NOT_INTEGER end
  local value = tonumber(digits)
  local ms = value * unit_[1]
  local at = unit_[2] and ms + now_ms or ms
  if (positive and value <= 0) or ms < -9223372036854775808 or at > LARGEST_AT then
    return nil, { err = "ERR invalid expire time in '" .. name .. "' command" }
  end
  return at
end

-- Overwrites with a string that is native already. `at`: Unix ms, 0: none.
local function overwrite_string(s, at)
  overwrite(s)
  put(s, 1, '')
  if at ~= 0 then expire(s, at) end
end

-- Options of SET and GETEX; nil and an error.
local function parse_options(argv, from, name)
  local options = { at = 0 }
  local i = from
  while i <= #argv do
    local word = string.upper(argv[i])
    local is_busy = options.keepttl or options.persist or (options.unit and options.word ~= word)
    if name == 'set' and (word == 'NX' or word == 'XX') then
      if options.condition and options.condition ~= word then return nil, SYNTAX end
      options.condition = word
    elseif name == 'set' and word == 'GET' then options.get = true
    elseif name == 'set' and word == 'KEEPTTL' and not options.unit then options.keepttl = true
    elseif name == 'getex' and word == 'PERSIST' and not options.unit then options.persist = true
    elseif UNITS[word] and argv[i + 1] and not is_busy then
      options.unit, options.word, options.text = UNITS[word], word, argv[i + 1]
      i = i + 1
    else return nil, SYNTAX end
    i = i + 1
  end
  return options
end

row('set', function(argv)
  local options, failure = parse_options(argv, 4, 'set')
  if not options then return failure end
  local at = 0
  if options.unit then
    at, failure = expiry_at(options.text, options.unit, 'set', true)
    if not at then return failure end
  end
  local key, value = argv[2], argv[3]
  local old = false
  if options.get then
    old = native('GET', key)
    if is_error(old) then return old end
  end
  if #value > MAX_VALUE_BYTES then return TOO_LONG end
  local s = open_key(key)
  if options.condition and (options.condition == 'NX') == shows(s) then return options.get and old or false end
  if options.keepttl then at = shown_at(s) end
  local reply = native('SET', key, value)
  if is_error(reply) then return reply end
  overwrite_string(s, at)
  if options.get then return old end
  return reply
end)

row('setnx', function(argv)
  if #argv[3] > MAX_VALUE_BYTES then return TOO_LONG end
  local s = open_key(argv[2])
  local reply = native('SETNX', argv[2], argv[3])
  if reply == 1 then overwrite_string(s, 0) end
  return reply
end)

local function set_with_expiry(unit_)
  return function(argv, name)
    local at, failure = expiry_at(argv[3], unit_, name, true)
    if not at then return failure end
    if #argv[4] > MAX_VALUE_BYTES then return TOO_LONG end
    local s = open_key(argv[2])
    local reply = native('SET', argv[2], argv[4])
    if not is_error(reply) then overwrite_string(s, at) end
    return reply
  end
end

row('setex', set_with_expiry(UNITS.EX))
row('psetex', set_with_expiry(UNITS.PX))

row('getset', function(argv)
  if #argv[3] > MAX_VALUE_BYTES then return TOO_LONG end
  local s = open_key(argv[2])
  local reply = native('GETSET', argv[2], argv[3])
  if not is_error(reply) then overwrite_string(s, 0) end
  return reply
end)

row('getdel', function(argv)
  local s = open_key(argv[2])
  local reply = native('GETDEL', argv[2])
  if reply and not is_error(reply) then overwrite(s) end
  return reply
end)

row('getex', function(argv)
  local options, failure = parse_options(argv, 3, 'getex')
  if not options then return failure end
  local s = open_key(argv[2])
  local reply = native('GET', argv[2])
  local at = 0
  if options.unit and reply then
    at, failure = expiry_at(options.text, options.unit, 'getex', true)
    if not at and not is_error(reply) then return failure end
  end
  if not reply or is_error(reply) then return reply end
  if at ~= 0 or options.persist then expire(s, at) end
  return reply
end)

local function mset(argv)
  for i = 3, #argv, 2 do if #argv[i] > MAX_VALUE_BYTES then return TOO_LONG end end
  local states = {}
  for i = 2, #argv, 2 do states[i] = open_key(argv[i]) end
  for i = 2, #argv, 2 do
    local reply = native('SET', argv[i], argv[i + 1])
    if is_error(reply) then return reply end
    overwrite_string(states[i], 0)
  end
end

local function odd_pairs(argv, name)
  if #argv % 2 == 0 then return { err = "ERR wrong number of arguments for '" .. name .. "' command" } end
end

row('mset', function(argv, name)
  return odd_pairs(argv, name) or mset(argv) or { ok = 'OK' }
end)

row('msetnx', function(argv, name)
  local failure = odd_pairs(argv, name)
  if failure then return failure end
  for i = 2, #argv, 2 do
    key_state(argv[i])
    if call('EXISTS', argv[i]) == 1 then return 0 end
  end
  return mset(argv) or 1
end)

row('append', function(argv)
  local s = open_key(argv[2])
  local length = native('STRLEN', argv[2])
  if is_error(length) then return length end
  if length + #argv[3] > MAX_VALUE_BYTES then return TOO_LONG end
  local reply = native('APPEND', argv[2], argv[3])
  if not is_error(reply) then put(s, 1, '') end
  return reply
end)

row('setrange', function(argv)
  local offset = parse_int64(argv[3])
  local s = open_key(argv[2])
  if offset and #argv[4] > 0 and byte(offset) ~= 45 and tonumber(offset) + #argv[4] > MAX_VALUE_BYTES then
    local length = native('STRLEN', argv[2])
    return is_error(length) and length or TOO_LONG
  end
  local at = shown_at(s)
  local reply = native('SETRANGE', argv[2], argv[3], argv[4])
  if not is_error(reply) and #argv[4] > 0 then
    overwrite_string(s, at)
    s.native_at = at
  end
  return reply
end)

local CONDITIONS = { NX = true, XX = true, GT = true, LT = true }

-- EXPIRE and its family.
local function expire_row(unit_)
  return function(argv, name)
    local when = {}
    for i = 4, #argv do
      local word = string.upper(argv[i])
      if not CONDITIONS[word] then return { err = 'ERR Unsupported option ' .. argv[i] } end
      when[word] = true
    end
    if when.NX and (when.XX or when.GT or when.LT) then
      return { err = 'ERR NX and XX, GT or LT options at the same time are not compatible' }
    end
    if when.GT and when.LT then return { err = 'ERR GT and LT options at the same time are not compatible' } end
    local at, failure = expiry_at(argv[3], unit_, name, false)
    if not at then return failure end
    local s = open_key(argv[2])
    if not shows(s) then return 0 end
    local held = shown_at(s)
    if (when.NX and held ~= 0) or (when.XX and held == 0) or (when.GT and (held == 0 or at <= held))
      or (when.LT and held ~= 0 and at >= held) then
      return 0
    end
    expire(s, at == 0 and -1 or at)
    return 1
  end
end

row('expire', expire_row(UNITS.EX))
row('pexpire', expire_row(UNITS.PX))
row('expireat', expire_row(UNITS.EXAT))
row('pexpireat', expire_row(UNITS.PXAT))

row('persist', function(argv)
  local s = open_key(argv[2])
  if s.foreign then return native('PERSIST', argv[2]) end
  if shown_ttl(s) == 0 then return 0 end
  expire(s, 0)
  return 1
end)
