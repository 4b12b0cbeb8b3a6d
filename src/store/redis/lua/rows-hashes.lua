-- Hash commands that put and remove fields. (HINCRBY and HINCRBYFLOAT are in rows-counters.lua.)

local function put_pairs(argv, name)
  if #argv % 2 ~= 0 then return { err = "ERR wrong number of arguments for '" .. name .. "' command" } end
  local s = open_key(argv[2])
  local reply = native_chunks('HSET', argv[2], argv, 3, 2)
  if is_error(reply) then return reply end
  reg_prefetch(s, 2, argv, 3, 2)
  for i = 3, #argv, 2 do put(s, 2, argv[i]) end
  return reply
end

row('hset', put_pairs)
row('hmset', function(argv, name)
  local reply = put_pairs(argv, name)
  return is_error(reply) and reply or { ok = 'OK' }
end)

row('hsetnx', function(argv)
  local s = open_key(argv[2])
  local reply = native('HSETNX', argv[2], argv[3], argv[4])
  if reply == 1 then put(s, 2, argv[3]) end
  return reply
end)

row('hdel', function(argv)
  local s = open_key(argv[2])
  local reply = native_chunks('HDEL', argv[2], argv, 3, 1)
  if is_error(reply) or reply == 0 then return reply end
  reg_prefetch(s, 2, argv, 3)
  for i = 3, #argv do remove(s, 2, argv[i]) end
  return reply
end)
