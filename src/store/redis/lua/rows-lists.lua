-- List commands: the whole list is one value, the last writer wins. Those that wait take what is there, or nothing.

-- A list has changed; an empty one is gone.
local function changed(s)
  if shows(s) then put(s, 5, '') else overwrite(s) end
end

-- LPUSH and its family: the length after the last portion counts.
local function push(argv)
  local s = open_key(argv[2])
  local reply
  for i = 3, math.max(3, #argv), ARGUMENTS_MAX do
    reply = native(argv[1], argv[2], unpack(argv, i, math.min(#argv, i + ARGUMENTS_MAX - 1)))
    if is_error(reply) then return reply end
  end
  if reply ~= 0 then changed(s) end
  return reply
end

for name in gmatch('lpush rpush lpushx rpushx', '%a+') do row(name, push) end

-- Commands on one list whose integer reply tells whether they changed it.
local function count_row(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not is_error(reply) and reply > 0 then changed(s) end
  return reply
end

row('lrem', count_row)
row('linsert', count_row)

row('lset', function(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not is_error(reply) then changed(s) end
  return reply
end)

row('ltrim', function(argv)
  local s = open_key(argv[2])
  local before = native('LLEN', argv[2])
  local reply = native_list(argv)
  if is_error(reply) or before == 0 or native('LLEN', argv[2]) == before then return reply end
  changed(s)
  return reply
end)

local function pop(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  if reply and (type(reply) ~= 'table' or #reply > 0) then changed(s) end
  if not reply and argv[3] then return null_array() end
  return reply
end

row('lpop', pop)
row('rpop', pop)

-- `command` takes key and arguments of argv from 2 on; where it moves an element, both lists change.
local function move(command, argv, last)
  local from, to = open_key(argv[2]), open_key(argv[3])
  local reply = native(command, unpack(argv, 2, last))
  if reply and not is_error(reply) then
    changed(from)
    if to ~= from then changed(to) end
  end
  return reply
end

row('lmove', function(argv) return move('LMOVE', argv, #argv) end)
row('rpoplpush', function(argv) return move('RPOPLPUSH', argv, #argv) end)

local TIMEOUT = { err = 'ERR timeout is not a float or out of range' }
local NEGATIVE = { err = 'ERR timeout is negative' }

-- The error of a timeout that Redis would refuse; nil: it is well.
local function timeout_error(text)
  local seconds = parse_double(text)
  if not seconds or seconds == math.huge or seconds == -math.huge then return TIMEOUT end
  return seconds < 0 and NEGATIVE or nil
end

row('blmove', function(argv) return timeout_error(argv[6]) or move('LMOVE', argv, 5) end)
row('brpoplpush', function(argv) return timeout_error(argv[4]) or move('RPOPLPUSH', argv, 3) end)

-- BLPOP, BRPOP: the first key that holds something.
local function pop_first(command)
  return function(argv)
    local failure = timeout_error(argv[#argv])
    if failure then return failure end
    for i = 2, #argv - 1 do
      local s = open_key(argv[i])
      local reply = native(command, argv[i])
      if is_error(reply) then return reply end
      if reply then
        changed(s)
        return { argv[i], reply }
      end
    end
    return null_array()
  end
end

row('blpop', pop_first('LPOP'))
row('brpop', pop_first('RPOP'))

-- Takes elements of the first list that has any: `argv` as LMPOP has it.
local function pop_any(argv)
  for i = 3, math.min(#argv, 2 + (tonumber(argv[2]) or 0)) do open_key(argv[i]) end
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  if not reply then return null_array() end
  changed(open_key(reply[1]))
  return reply
end

row('lmpop', pop_any)
row('blmpop', function(argv) return timeout_error(argv[2]) or pop_any({ 'LMPOP', unpack(argv, 3) }) end)

-- The same of sorted sets.

local function without_members(key, members)
  local s = open_key(key)
  for _, member in ipairs(members) do remove(s, 4, member) end
end

local function shown_score(text)
  return RESP3 and { double = tonumber(text) } or text
end

local function pop_first_member(command)
  return function(argv)
    local failure = timeout_error(argv[#argv])
    if failure then return failure end
    for i = 2, #argv - 1 do
      open_key(argv[i])
      local reply = native(command, argv[i])
      if is_error(reply) then return reply end
      if reply[1] then
        without_members(argv[i], { reply[1] })
        return { argv[i], reply[1], shown_score(reply[2]) }
      end
    end
    return null_array()
  end
end

row('bzpopmin', pop_first_member('ZPOPMIN'))
row('bzpopmax', pop_first_member('ZPOPMAX'))

row('bzmpop', function(argv)
  return timeout_error(argv[2]) or run_command({ 'ZMPOP', unpack(argv, 3) })
end)
