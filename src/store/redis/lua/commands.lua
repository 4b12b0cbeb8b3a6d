-- Commands inside a unit: rows where there is a rule, reads as they are, other writes refused.

local LOADERS = {} -- of the files of rows, not loaded yet: {names, load}; ../scripts.ts fills it

local READ_NAMES = ' get mget getrange strlen substr lcs exists type ttl pttl expiretime pexpiretime hget hmget hgetall hkeys hvals hlen hexists hstrlen hrandfield smembers sismember smismember scard srandmember sinter sunion sdiff sintercard zcard zscore zmscore zrank zrevrank zrange zrevrange zrangebyscore zrevrangebyscore zrangebylex zrevrangebylex zcount zlexcount zrandmember zunion zinter zdiff zintercard llen lrange lindex lpos xlen xrange xrevrange getbit bitcount bitpos dump touch ping echo time '
-- Whether a command is known to read only; looked up when asked, since this text runs at each call.
local READS = setmetatable({}, { __index = function(_, name)
  return string.find(READ_NAMES, ' ' .. name .. ' ', 1, true) ~= nil
end })

local ROWS = {}

-- Registers a command: handler(argv) → reply; argv[1] is the name.
local function row(name, handler)
  ROWS[name] = handler
end

local function load_rows(word)
  for i, file in pairs(LOADERS) do
    if string.find(file.names, word, 1, true) then
      LOADERS[i] = nil
      file.load()
    end
  end
end

setmetatable(ROWS, { __index = function(_, name)
  load_rows(' ' .. name .. ' ')
  local handler = rawget(ROWS, name)
  if handler or READS[name] then return handler end
  load_rows(' * ')
  return rawget(ROWS, name)
end })

local function is_write(name)
  if READS[name] then return false end
  local info = call('COMMAND', 'INFO', name)[1]
  if not info then return false end
  for _, flag in ipairs(info[3]) do
    if (type(flag) == 'table' and flag.ok or flag) == 'write' then return true end
  end
  READS[name] = true
  return false
end

-- Replies of these hold nulls beside nothing that RESP3 has of its own, or nothing at all of it: RESP2's form is right.
local function read_command(name, argv)
  if not RESP3 or name == 'mget' or name == 'hmget' or name == 'smismember' or name == 'get' then return native_list(argv) end
  if name ~= 'zmscore' then return native_as_client(unpack(argv)) end
  local scores = native_list(argv)
  if is_error(scores) then return scores end
  for i = 1, #scores do scores[i] = scores[i] and { double = tonumber(scores[i]) } end
  return scores
end

local function execute(argv)
  local name = string.lower(argv[1])
  local handler = ROWS[name]
  if handler then return handler(argv, name) end
  if is_write(name) then return { err = "ERR mqkv has no rule to replicate '" .. name .. "'" } end
  return read_command(name, argv)
end

-- One command inside the unit (also of MULTI, and of redis.call of an EVAL).
local function run_command(argv)
  local outer = unit.opened
  unit.opened = {}
  local ok, reply = pcall(execute, argv)
  if not ok then
    reply = caught(reply)
  end
  finish_command()
  unit.opened = outer
  if reply == nil then return false end
  return reply
end
