-- Set commands: puts and removals of members; the STORE forms overwrite.

row('sadd', function(argv)
  local s = open_key(argv[2])
  local reply = native_chunks('SADD', argv[2], argv, 3, 1)
  if is_error(reply) then return reply end
  reg_prefetch(s, 3, argv, 3)
  for i = 3, #argv do put(s, 3, argv[i]) end
  return reply
end)

row('srem', function(argv)
  local s = open_key(argv[2])
  local reply = native_chunks('SREM', argv[2], argv, 3, 1)
  if is_error(reply) or reply == 0 then return reply end
  reg_prefetch(s, 3, argv, 3)
  for i = 3, #argv do remove(s, 3, argv[i]) end
  return reply
end)

row('spop', function(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not reply or is_error(reply) then return reply end
  if type(reply) == 'string' then
    remove(s, 3, reply)
    return reply
  end
  reg_prefetch(s, 3, reply)
  for _, member in ipairs(reply) do remove(s, 3, member) end
  if not RESP3 then return reply end
  local set = {}
  for _, member in ipairs(reply) do set[member] = true end
  return { set = set }
end)

row('smove', function(argv)
  local from, to = open_key(argv[2]), open_key(argv[3])
  local reply = native('SMOVE', argv[2], argv[3], argv[4])
  if reply == 1 and argv[2] ~= argv[3] then
    remove(from, 3, argv[4])
    put(to, 3, argv[4])
  end
  return reply
end)

local function store(argv)
  local s = open_key(argv[2])
  local existed = shows(s)
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  if reply > 0 or existed then
    overwrite(s)
    put_native(s)
  end
  return reply
end

row('sinterstore', store)
row('sunionstore', store)
row('sdiffstore', store)
row('zunionstore', store)
row('zinterstore', store)
row('zdiffstore', store)
row('zrangestore', store)
