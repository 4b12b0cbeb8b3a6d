-- Native commands from the write script: errors without what Redis adds about scripts, long arguments in pieces, replies.

local function clean(text)
  text = string.gsub(text, ' script: %x+, on @user_script:%d+%.?$', '')
  return (string.gsub(text, '^@user_script: ?%d+: ', ''))
end

-- The error reply of what pcall caught. (Redis 7's own pcall makes error tables their text.)
local function caught(failure)
  local text = clean(type(failure) == 'table' and failure.err or tostring(failure))
  return { err = match(text, '^%u+ ') and text or 'ERR ' .. text }
end

-- A native command; errors come as {err}, without what Redis adds about the script.
local function native(...)
  local reply = try(...)
  if type(reply) == 'table' and reply.err then return { err = clean(reply.err) } end
  return reply
end

-- A native command given as list. nil: everything. Replies that hold nulls must be asked in RESP2: RESP3's nulls end Lua arrays.
local function native_list(argv)
  if #argv > 7000 then return { err = 'ERR too many arguments for a command of this kind (limit 7000)' } end
  return native(unpack(argv))
end

local function is_error(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- Calls `command key args...` for args from..#args, in chunks of a multiple of `per`; integer replies add up.
local function native_chunks(command, key, args, from, per)
  local size = ARGUMENTS_MAX - ARGUMENTS_MAX % per
  if #args - from + 1 <= size then return native(command, key, unpack(args, from)) end
  local sum, reply = 0, nil
  for i = from, #args, size do
    reply = native(command, key, unpack(args, i, math.min(#args, i + size - 1)))
    if is_error(reply) then return reply end
    if type(reply) == 'number' then sum = sum + reply end
  end
  return type(reply) == 'number' and sum or reply
end

-- The same where nothing but the arguments varies and failing is a bug.
local function call_chunks(command, key, args, per)
  local size = ARGUMENTS_MAX - ARGUMENTS_MAX % per
  for i = 1, #args, size do call(command, key, unpack(args, i, math.min(#args, i + size - 1))) end
end

local NULL_ARRAY = '\1N' -- a status that the gateway turns into RESP2's null array

local function null_array()
  if RESP3 then return false end
  return { ok = NULL_ARRAY }
end

-- An integer reply from decimal text: beyond 2^53 as a status that the gateway turns into `:<decimal>`.
local function integer_reply(text)
  if #text < 16 then return tonumber(text) end
  return { ok = '\1I' .. text }
end

-- The native command's reply as the client's protocol has it (maps, sets, doubles of RESP3).
local function native_as_client(...)
  if not RESP3 then return native(...) end
  redis.setresp(3)
  local reply = native(...)
  redis.setresp(2)
  return reply
end
