-- Commands about all keys inside MULTI and EVAL, mqkv's own keys left out. One Redis only: on a cluster the gateway asks every node.

local COUNTED_MAX = 100000 -- keys up to which mqkv's own are counted one by one; above, a sample tells their share
local SAMPLE = 500

local function is_shown(key)
  return sub(key, 1, 5) ~= 'mqkv:'
end

local function shown(keys)
  local found = {}
  for _, key in ipairs(keys) do if is_shown(key) then found[#found + 1] = key end end
  return found
end

row('keys', function(argv)
  local reply = native('KEYS', argv[2])
  return is_error(reply) and reply or shown(reply)
end)

-- Goes on until about as many keys as asked for have been seen, as the gateway does outside.
row('scan', function(argv)
  local wanted, found, argv = 10, {}, { unpack(argv) }
  for i = 3, #argv - 1, 2 do if string.upper(argv[i]) == 'COUNT' then wanted = tonumber(argv[i + 1]) or 1 end end
  for _ = 1, 4 do
    local reply = native(unpack(argv))
    if is_error(reply) then return reply end
    argv[2] = reply[1]
    for _, key in ipairs(shown(reply[2])) do found[#found + 1] = key end
    if argv[2] == '0' or #found >= wanted then break end
  end
  return { argv[2], found }
end)

row('dbsize', function()
  local size = call('DBSIZE')
  if size <= COUNTED_MAX then return size - #call('KEYS', 'mqkv:*') end
  local seen = 0
  for _ = 1, SAMPLE do if is_shown(call('RANDOMKEY')) then seen = seen + 1 end end
  return math.floor(size / SAMPLE * seen)
end)

row('randomkey', function()
  for _ = 1, SAMPLE do
    local key = call('RANDOMKEY')
    if not key or is_shown(key) then return key end
  end
  return shown(call('KEYS', '*'))[1] or false
end)
