-- EVAL: the caller's text runs with a `redis` of its own whose calls go through the rows, so that every write is recorded.
--
-- Redis lets no script give a function another environment, so the text gets a prologue on its first line: locals that
-- hide `redis`, KEYS, ARGV, _G, load and loadstring. The prologue fetches them from the native KEYS, which is this
-- script's own. Line numbers and Redis' own messages about globals stay as they are.

-- (Valkey has `server` beside `redis`.)

local REDIS, LOAD, LOADSTRING, GLOBALS = redis, load, loadstring, _G
local HAS_SERVER = rawget(GLOBALS, 'server') ~= nil
local PROLOGUE = 'local redis,KEYS,ARGV,_G,load,loadstring' .. (HAS_SERVER and ',server' or '') .. '=KEYS.mqkv();'
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

-- What tells where an error came from: Redis' own handler, which sees the stack, or this one where it has none (6.2 has
-- one that only takes texts).
local function plain_handler(failure)
  if type(failure) == 'table' then
    if places[failure] then failure.source = '@mqkv' end
    return failure
  end
  local text = tostring(failure)
  local source, line = match(text, '^([^:]+):(%d+): ')
  return { err = 'ERR ' .. text, source = source and '@' .. source, line = line and tonumber(line) }
end

local HANDLER = REDIS.REDIS_VERSION_NUM and rawget(GLOBALS, '__redis__err__handler') or plain_handler

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

-- Arity and kind (write, read) of commands without subcommands that scripts may call; asking Redis costs more than the
-- command. Those not here are asked for.
local KNOWN = ' append:3w bitcount:-2r bitfield:-2w bitfield_ro:-2r bitop:-4w bitpos:-3r blmpop:-5w bzmpop:-5w copy:-3w dbsize:1r decr:2w decrby:3w del:-2w dump:2r exists:-2r expire:-3w expireat:-3w expiretime:2r flushall:-1w flushdb:-1w geoadd:-5w geodist:-4r geohash:-2r geopos:-2r georadius:-6w georadius_ro:-6r georadiusbymember:-5w georadiusbymember_ro:-5r geosearch:-7r geosearchstore:-8w get:2r getbit:3r getdel:2w getex:-2w getrange:4r getset:3w hdel:-3w hexists:3r hget:3r hgetall:2r hincrby:4w hincrbyfloat:4w hkeys:2r hlen:2r hmget:-3r hmset:-4w hrandfield:-2r hscan:-3r hset:-4w hsetnx:4w hstrlen:3r hvals:2r incr:2w incrby:3w incrbyfloat:3w keys:2r lcs:-3r lindex:3r linsert:5w llen:2r lmove:5w lmpop:-4w lolwut:-1r lpop:-2w lpos:-3r lpush:-3w lpushx:-3w lrange:4r lrem:4w lset:4w ltrim:4w mget:-2r migrate:-6w move:3w mset:-3w msetnx:-3w persist:2w pexpire:-3w pexpireat:-3w pexpiretime:2r pfadd:-2w pfcount:-2r pfdebug:3w pfmerge:-2w psetex:4w pttl:2r randomkey:1r rename:3w renamenx:3w restore:-4w restore-asking:-4w rpop:-2w rpoplpush:3w rpush:-3w rpushx:-3w sadd:-3w scan:-2r scard:2r sdiff:-2r sdiffstore:-3w set:-3w setbit:4w setex:4w setnx:3w setrange:4w sinter:-2r sintercard:-3r sinterstore:-3w sismember:3r smembers:2r smismember:-3r smove:4w sort:-2w sort_ro:-2r spop:-2w srandmember:-2r srem:-3w sscan:-3r strlen:2r substr:4r sunion:-2r sunionstore:-3w swapdb:3w touch:-2r ttl:2r type:2r unlink:-2w xack:-4w xadd:-5w xautoclaim:-6w xclaim:-6w xdel:-3w xlen:2r xpending:-3r xrange:-4r xread:-4r xreadgroup:-7w xrevrange:-4r xsetid:-3w xtrim:-4w zadd:-4w zcard:2r zcount:4r zdiff:-3r zdiffstore:-4w zincrby:4w zinter:-3r zintercard:-3r zinterstore:-4w zlexcount:4r zmpop:-4w zmscore:-3r zpopmax:-2w zpopmin:-2w zrandmember:-2r zrange:-4r zrangebylex:-4r zrangebyscore:-4r zrangestore:-5w zrank:3r zrem:-3w zremrangebylex:4w zremrangebyrank:4w zremrangebyscore:4w zrevrange:-4r zrevrangebylex:-4r zrevrangebyscore:-4r zrevrank:3r zscan:-3r zscore:3r zunion:-3r zunionstore:-4w '

local infos = {} -- by name: arity and whether it writes; false: unknown, or not for scripts

local function asked_info(name)
  local info = call('COMMAND', 'INFO', name)[1]
  if not info then return false end
  local flags = {}
  for _, flag in ipairs(info[3]) do flags[type(flag) == 'table' and flag.ok or flag] = true end
  if flags.noscript then return false end
  return { arity = info[2], writes = flags.write, is_container = info[10] ~= nil and #info[10] > 0 }
end

local function info_named(name)
  local info = infos[name]
  if info == nil then
    local arity, kind = match(KNOWN, ' ' .. string.gsub(name, '%p', '%%%0') .. ':(%-?%d+)(%a) ')
    info = arity and { arity = tonumber(arity), writes = kind == 'w' } or asked_info(name)
    infos[name] = info
  end
  return info
end

local function info_of(name, argv)
  local info = info_named(name)
  if not info or not info.is_container or not argv[2] then return info end
  return info_named(name .. '|' .. string.lower(argv[2]))
end

-- What Redis would refuse it refuses itself, in its own words: unknown, wrong number of arguments, not allowed here.
local function is_refused(info, argv)
  if not info then return true end
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
  if info.writes then
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
  if flags and flags['no-cluster'] and CLUSTER then
    return { err = "ERR Can not run script on cluster, 'no-cluster' flag is set." }
  end
  local chunk, failure = LOADSTRING(PROLOGUE .. body, '@user_script')
  if not chunk then return { err = 'ERR Error compiling script (new function): ' .. failure } end
  local outer, was_resp3 = script, RESP3
  script, RESP3 = { body = body, only_reads = only_reads or (flags and flags['no-writes']) }, false
  local api = api_of()
  local loads, loads_text = loaders()
  local globals = setmetatable({ redis = api, KEYS = keys, ARGV = args, load = loads, loadstring = loads_text }, { __index = GLOBALS, __metatable = false })
  globals._G = globals
  if HAS_SERVER then globals.server = api end
  KEYS.mqkv = function() return api, keys, args, globals, loads, loads_text, api end
  local ok, reply = xpcall(chunk, HANDLER)
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
