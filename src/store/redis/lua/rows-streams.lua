-- Stream commands: the whole stream is one value, the last writer wins. Consumer groups are this Redis' own: they are
-- no part of the value, so what only changes them is native and leaves no version.

row('xadd', function(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if reply and not is_error(reply) then put(s, 6, '') end
  return reply
end)

local function count_row(argv)
  local s = open_key(argv[2])
  local reply
  if string.lower(argv[1]) == 'xdel' and #argv > ARGUMENTS_MAX then reply = native_chunks('XDEL', argv[2], argv, 3, 1) else reply = native_list(argv) end
  if not is_error(reply) and reply > 0 then put(s, 6, '') end
  return reply
end

row('xdel', count_row)
row('xtrim', count_row)

row('xsetid', function(argv)
  local s = open_key(argv[2])
  local reply = native_list(argv)
  if not is_error(reply) then put(s, 6, '') end
  return reply
end)

row('xgroup', function(argv)
  if string.upper(argv[2]) ~= 'CREATE' or not argv[3] then
    if argv[3] then key_state(argv[3]) end
    return native_as_client(unpack(argv))
  end
  local s = open_key(argv[3])
  local was_there = shows(s)
  local reply = native_list(argv)
  if not is_error(reply) and not was_there then put(s, 6, '') end
  return reply
end)

local function own_row(argv)
  key_state(argv[2])
  return native_as_client(unpack(argv))
end

row('xack', own_row)
row('xclaim', own_row)
row('xautoclaim', own_row)

row('xreadgroup', function(argv)
  local reply = native_as_client(unpack(argv))
  if not reply then return null_array() end
  return reply
end)
