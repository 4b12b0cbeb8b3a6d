-- EVAL: the caller's text runs with a `redis` of its own whose calls go through the rows, so that every write is recorded.
--
-- Redis lets no script give a function another environment, so the text gets a prologue on its first line: locals that
-- hide `redis`, KEYS, ARGV, _G, load and loadstring. The prologue fetches them from the native KEYS, which is this
-- script's own. Line numbers and Redis' own messages about globals stay as they are.

local PROLOGUE = 'local redis,KEYS,ARGV,_G,load,loadstring=KEYS.mqkv();'
local REDIS, LOAD, LOADSTRING, GLOBALS = redis, load, loadstring, _G
local NO_SCRIPT = { err = 'NOSCRIPT No matching script. Please use EVAL.' }
local ONLY_READS = { err = 'ERR Write commands are not allowed from read-only scripts.' }

-- ---------------------------------------------------------------- errors with the caller's line

-- Raises from a chunk of another name, so that its errors are told from those of the caller's text.
local RAISE = LOADSTRING('return function(e) error(e) end', '@mqkv')()
local places = {} -- by error table: where the caller stood

local script -- under way: body, only_reads

-- The line of a call that stands as `return redis.call(...)`: Lua has given up the caller's place for it. Looked for in
-- the text: the first that calls this command by name, else the first.
local function tail_line(name)
  local line, first = 0, nil
  for text in gmatch(script.body .. '\n', '(.-)\n') do
    line = line + 1
    local callee, rest = match(text, 'return%s+([%w_%.]+)%s*(.*)$')
    if callee then
      local literal = match(rest, '^%(?%s*["\']([%w.-]+)["\']')
      if literal and string.lower(literal) == name then return line end
      first = first or ((sub(callee, 1, 6) == 'redis.' or sub(callee, -4) == 'call') and line) or nil
    end
  end
  return first or 1
end

-- Where the caller of the function at `level` stands: source and line.
local function place_of(level, name)
  local _, text = pcall(error, '', level + 1)
  local source, line = match(text, '^(.*):(%d+): $')
  if not source then return { source = '@user_script', line = tail_line(name) } end
  return { source = match(source, '^%[string "(.*)"%]$') or '@' .. source, line = tonumber(line) }
end

local function raise(failure, place)
  places[failure] = place
  RAISE(failure)
end

-- The reply of a script that failed. Error tables without a text end Redis itself: here they get one.
local function failure_reply(failure, sha)
  if type(failure) ~= 'table' then failure = { err = 'ERR ' .. tostring(failure) } end
  local place = failure
  if failure.source == '@mqkv' then place = places[failure] or failure end
  if type(failure.err) ~= 'string' then return { err = 'ERR ' .. tostring(failure.err) } end
  if not place.source or not place.line then return { err = failure.err } end
  return { err = failure.err .. ' script: ' .. sha .. ', on ' .. place.source .. ':' .. format('%.0f', place.line) .. '.' }
end

-- ---------------------------------------------------------------- which keys a read names

local KEYLESS = { ping = true, echo = true, time = true }
local ALL_KEYS = { mget = true, exists = true, touch = true, sinter = true, sunion = true, sdiff = true, pfcount = true }
local COUNTED_KEYS = { sintercard = true, zunion = true, zinter = true, zdiff = true, zintercard = true }

local function keys_of(name, argv)
  if KEYLESS[name] then return {} end
  if ALL_KEYS[name] then return { unpack(argv, 2) } end
  if COUNTED_KEYS[name] then return { unpack(argv, 3, math.min(#argv, 2 + (tonumber(argv[2]) or 0))) } end
  if READS[name] then return { argv[2] } end
  local keys = native('COMMAND', 'GETKEYS', unpack(argv))
  return is_error(keys) and {} or keys
end

-- ---------------------------------------------------------------- redis.call and redis.pcall

local infos = {} -- by name: arity and flags as Redis has them

local function info_of(name, argv)
  local sub_name = argv[2] and name .. '|' .. string.lower(argv[2])
  local held = infos[name]
  if held == nil then
    local info = call('COMMAND', 'INFO', name)[1]
    held = false
    if info then
      held = { arity = info[2], flags = {}, is_container = info[10] ~= nil and #info[10] > 0 }
      for _, flag in ipairs(info[3]) do held.flags[type(flag) == 'table' and flag.ok or flag] = true end
    end
    infos[name] = held
  end
  if not held or not held.is_container or not sub_name then return held end
  if infos[sub_name] == nil then
    infos[name .. '|'] = true
    local info = call('COMMAND', 'INFO', sub_name)[1]
    local found = false
    if info then
      found = { arity = info[2], flags = {} }
      for _, flag in ipairs(info[3]) do found.flags[type(flag) == 'table' and flag.ok or flag] = true end
    end
    infos[sub_name] = found
  end
  return infos[sub_name]
end

-- What Redis would refuse it refuses itself, in its own words: unknown, wrong number of arguments, not allowed here.
local function is_refused(info, argv)
  if not info or info.flags.noscript then return true end
  if info.arity > 0 then return #argv ~= info.arity end
  return #argv < -info.arity
end

-- Replies that only the gateway understands, as a script sees them.
local function as_value(reply)
  if type(reply) ~= 'table' then
    if reply == false and RESP3 then return nil end
    return reply
  end
  local text = reply.ok
  if text == NULL_ARRAY then return as_value(false) end
  if type(text) == 'string' and sub(text, 1, 2) == '\1I' then return tonumber(sub(text, 3)) end
  for i, element in ipairs(reply) do
    if type(element) == 'table' then reply[i] = as_value(element) end
  end
  return reply
end

local function to_arguments(...)
  local argv = { ... }
  if select('#', ...) == 0 then return nil, { err = 'ERR Please specify at least one argument for this redis lib call' } end
  for i = 1, select('#', ...) do
    local value = argv[i]
    if type(value) == 'number' then argv[i] = format('%.17g', value)
    elseif type(value) ~= 'string' then return nil, { err = 'ERR Lua redis lib command arguments must be strings or integers' } end
  end
  return argv
end

local function dispatch(...)
  local argv, failure = to_arguments(...)
  if not argv then return failure end
  local name = string.lower(argv[1])
  local info = info_of(name, argv)
  if is_refused(info, argv) then return native_list(argv) end
  if info.flags.write then
    if script.only_reads then return { err = ONLY_READS.err } end
  else
    for _, key in ipairs(keys_of(name, argv)) do key_state(key) end
  end
  return as_value(run_command(argv))
end

local function guarded_dispatch(...)
  local results = { pcall(dispatch, ...) }
  if results[1] then return results[2] end
  local failure = results[2]
  return { err = type(failure) == 'table' and failure.err or failure }
end

local function api_of()
  local api = {}
  for name, value in pairs(REDIS) do api[name] = value end
  api.pcall = function(...)
    local reply = guarded_dispatch(...)
    if is_error(reply) then reply.ignore_error_stats_update = true end
    return reply
  end
  api.call = function(...)
    local reply = guarded_dispatch(...)
    if is_error(reply) then
      reply.ignore_error_stats_update = true
      raise(reply, place_of(3, string.lower(tostring((...)))))
    end
    return reply
  end
  api.setresp = function(...)
    local ok, failure = pcall(REDIS.setresp, ...)
    if not ok then raise({ err = type(failure) == 'table' and failure.err or failure }, place_of(3, 'setresp')) end
    RESP3 = ... == 3
    REDIS.setresp(2)
  end
  return api
end

-- ---------------------------------------------------------------- the text

-- Loaded texts see the same names.
local function loaders()
  local function load_text(text, name)
    if type(text) ~= 'string' then return LOADSTRING(text, name) end
    return LOADSTRING(PROLOGUE .. text, name or text)
  end
  local function load_pieces(pieces, name)
    if type(pieces) ~= 'function' then return LOAD(pieces, name) end
    local is_first = true
    return LOAD(function()
      local piece = pieces()
      if is_first and type(piece) == 'string' then piece = PROLOGUE .. piece end
      is_first = false
      return piece
    end, name)
  end
  return load_pieces, load_text
end

local FLAGS = { ['no-writes'] = true, ['allow-oom'] = true, ['allow-stale'] = true, ['no-cluster'] = true, ['allow-cross-slot-keys'] = true }

-- The text without its first line `#!lua flags=...`, and the flags (nil: it has no such line). nil and an error.
local function read_shebang(text)
  if sub(text, 1, 2) ~= '#!' then return text, nil end
  local line, rest = match(text, '^([^\n]*)(\n.*)$')
  if not line then return nil, { err = 'ERR Invalid script shebang' } end
  local flags = {}
  local engine = match(line, '^%S+')
  if engine ~= '#!lua' then return nil, { err = 'ERR Unexpected engine in script shebang: ' .. engine } end
  for word in gmatch(sub(line, #engine + 1), '%S+') do
    local list = match(word, '^flags=(.*)$')
    if not list then return nil, { err = 'ERR Unknown lua shebang option: ' .. word } end
    for flag in gmatch(list, '[^,]+') do
      if not FLAGS[flag] then return nil, { err = 'ERR Unexpected flag in script shebang: ' .. flag } end
      flags[flag] = true
    end
  end
  return rest, flags
end

local function read_arguments(argv)
  local count = parse_int64(argv[3])
  if not count then return nil, { err = 'ERR value is not an integer or out of range' } end
  local n = tonumber(count)
  if n > #argv - 3 then return nil, { err = "ERR Number of keys can't be greater than number of args" } end
  if n < 0 then return nil, { err = "ERR Number of keys can't be negative" } end
  local keys, args = {}, {}
  for i = 4, 3 + n do keys[#keys + 1] = argv[i] end
  for i = 4 + n, #argv do args[#args + 1] = argv[i] end
  return keys, args
end

local function run(text, argv, only_reads)
  local keys, args = read_arguments(argv)
  if not keys then return args end
  local body, flags = read_shebang(text)
  if not body then return flags end
  if flags and only_reads and not flags['no-writes'] then
    return { err = 'ERR Can not execute a script with write flag using *_ro command.' }
  end
  local chunk, failure = LOADSTRING(PROLOGUE .. body, '@user_script')
  if not chunk then return { err = 'ERR Error compiling script (new function): ' .. failure } end
  local outer, was_resp3 = script, RESP3
  script, RESP3 = { body = body, only_reads = only_reads or (flags and flags['no-writes']) }, false
  local api = api_of()
  local loads, loads_text = loaders()
  local globals = setmetatable({ redis = api, KEYS = keys, ARGV = args, load = loads, loadstring = loads_text }, { __index = GLOBALS })
  globals._G = globals
  KEYS.mqkv = function() return api, keys, args, globals, loads, loads_text end
  local ok, reply = xpcall(chunk, __redis__err__handler)
  script, RESP3 = outer, was_resp3
  if ok then return reply end
  return failure_reply(reply, REDIS.sha1hex(text))
end

local function text_of(sha)
  if CLUSTER then return nil end
  return #sha == 40 and call('GET', 'mqkv:script:' .. string.lower(sha)) or nil
end

row('eval', function(argv) return run(argv[2], argv, false) end)
row('eval_ro', function(argv) return run(argv[2], argv, true) end)

local function by_digest(only_reads)
  return function(argv)
    local text = text_of(argv[2])
    if not text then return NO_SCRIPT end
    return run(text, argv, only_reads)
  end
end

row('evalsha', by_digest(false))
row('evalsha_ro', by_digest(true))

-- PUBLISH of a script: the Redis tells this site's subscribers, the gateway is told to tell the other sites.
row('publish', function(argv)
  if sub(argv[2], 1, 5) == 'mqkv:' then return { err = "ERR channel names beginning with 'mqkv:' are reserved" } end
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  local published = unit.published or {}
  unit.published = published
  for _, part in ipairs({ argv[2], '!', argv[3] }) do published[#published + 1] = part end
  return reply
end)
