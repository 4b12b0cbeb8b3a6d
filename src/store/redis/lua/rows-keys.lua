-- DEL, RENAME, COPY: overwrites, and what a key holds as puts on another.

local function del(argv)
  local deleted = 0
  for i = 2, #argv do
    local s = open_key(argv[i])
    local reply = native('DEL', argv[i])
    if is_error(reply) then return reply end
    if reply == 1 then
      deleted = deleted + 1
      overwrite(s)
    end
  end
  return deleted
end

row('del', del)
row('unlink', del)

-- The key has just got what another held, with its native expiry; `at`: that expiry.
local function take_over(s, at)
  overwrite(s)
  put_native(s)
  if at ~= 0 then
    expire(s, at)
    s.native_at = at
  end
end

local function rename(argv, command)
  local from, to = open_key(argv[2]), open_key(argv[3])
  if argv[2] == argv[3] then return native(command, argv[2], argv[3]) end
  local at = shown_at(from)
  local reply = native(command, argv[2], argv[3])
  if is_error(reply) or reply == 0 then return reply end
  take_over(to, at)
  overwrite(from)
  return reply
end

row('rename', function(argv) return rename(argv, 'RENAME') end)
row('renamenx', function(argv) return rename(argv, 'RENAMENX') end)

row('copy', function(argv)
  local replace = false
  local i = 4
  while i <= #argv do
    local word = string.upper(argv[i])
    if word == 'REPLACE' then replace = true
    elseif word == 'DB' and argv[i + 1] then
      i = i + 1
      local db = parse_int64(argv[i])
      if not db then return { err = 'ERR value is not an integer or out of range' } end
      if db ~= '0' then return { err = 'ERR DB index is out of range' } end
    else return { err = 'ERR syntax error' } end
    i = i + 1
  end
  if argv[2] == argv[3] then return { err = 'ERR source and destination objects are the same' } end
  local from, to = open_key(argv[2]), open_key(argv[3])
  local at = shown_at(from)
  local reply
  if replace then reply = native('COPY', argv[2], argv[3], 'REPLACE') else reply = native('COPY', argv[2], argv[3]) end
  if reply == 1 then take_over(to, at) end
  return reply
end)

row('move', function() return { err = 'ERR DB index is out of range' } end)
row('swapdb', function() return { err = 'ERR DB index is out of range' } end)
row('flushall', function() return { err = 'ERR a script cannot delete keys that it does not name' } end)
row('flushdb', function() return { err = 'ERR a script cannot delete keys that it does not name' } end)
