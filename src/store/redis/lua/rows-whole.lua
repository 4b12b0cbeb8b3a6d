-- RESTORE, SORT with STORE, and what commands share that replace a whole key.

-- The native command has replaced a key's value, or taken it away; its old life ends.
-- `was_there`: it showed before. `at`: Unix ms at which the new one ends, 0: none.
local function replaced(s, was_there, at)
  if not shows(s) then
    if was_there then overwrite(s) end
    return
  end
  overwrite(s)
  put_native(s)
  if at ~= 0 then expire(s, at) end
end

-- A command that stores what it finds under argv[to].
local function store_into(argv, to)
  local s = open_key(argv[to])
  local was_there = shows(s)
  local reply = native_list(argv)
  if not is_error(reply) then replaced(s, was_there, 0) end
  return reply
end

-- The place behind the last of some words; nil: none of them is there.
local function place_behind(argv, from, words, skipped)
  local place
  local i = from
  while i < #argv do
    local word = string.upper(argv[i])
    if words[word] then
      place = i + 1
      i = i + 1
    else
      i = i + (skipped[word] or 0)
    end
    i = i + 1
  end
  return place
end

local SORT_STORE, SORT_SKIPPED = { STORE = true }, { LIMIT = 2, BY = 1, GET = 1 }

row('sort', function(argv, name)
  local to = place_behind(argv, 3, SORT_STORE, SORT_SKIPPED)
  if not to then return read_command(name, argv) end
  key_state(argv[2])
  return store_into(argv, to)
end)

local RADIUS_STORE = { STORE = true, STOREDIST = true }

-- The options begin behind the radius' unit.
local function radius_row(options)
  return function(argv, name)
    local to = place_behind(argv, options, RADIUS_STORE, { COUNT = 1 })
    key_state(argv[2])
    if not to then return read_command(name, argv) end
    return store_into(argv, to)
  end
end

row('georadius', radius_row(7))
row('georadiusbymember', radius_row(6))
row('geosearchstore', function(argv)
  key_state(argv[3])
  return store_into(argv, 2)
end)

row('bitop', function(argv)
  for i = 4, #argv do key_state(argv[i]) end
  return store_into(argv, 3)
end)

local RESTORE_OPTIONS = { REPLACE = 0, ABSTTL = 0, IDLETIME = 1, FREQ = 1 }

-- The expiry is set by mqkv: the native command gets none. A wrong one is left to it to refuse.
local function read_restore(argv)
  local digits = parse_int64(argv[3])
  if not digits or byte(digits) == 45 or #digits > 15 then return nil end
  local native_argv, absolute = { 'RESTORE', argv[2], '0', argv[4] }, false
  local i = 5
  while argv[i] do
    local word = string.upper(argv[i])
    local values = RESTORE_OPTIONS[word]
    if not values then return nil end
    if word == 'ABSTTL' then absolute = true else
      for j = i, i + values do native_argv[#native_argv + 1] = argv[j] end
    end
    i = i + 1 + values
  end
  local ttl = tonumber(digits)
  if ttl == 0 then return native_argv, 0 end
  return native_argv, absolute and ttl or now_ms + ttl
end

row('restore', function(argv)
  if #argv[4] > MAX_VALUE_BYTES then return { err = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)' } end
  local s = open_key(argv[2])
  local native_argv, at = read_restore(argv)
  if not native_argv then return native_list(argv) end
  local was_there = shows(s)
  local reply = native_list(native_argv)
  if not is_error(reply) then replaced(s, was_there, at) end
  return reply
end)

for name, reason in pairs({
  ['restore-asking'] = 'it is for the nodes of a cluster; use RESTORE',
  migrate = 'the other server would get the data without its versions',
  fcall = 'what functions write could not be recorded; use EVAL',
  ['function'] = 'what functions write could not be recorded; use EVAL',
  pfdebug = 'it would change what no other site sees',
}) do
  row(name, function(argv) return { err = 'ERR ' .. string.upper(argv[1]) .. ' is refused: ' .. reason } end)
end
