-- GEOADD: puts of the members that it writes. (The commands that store what they find are in rows-whole.lua.)

local OPTIONS = { NX = true, XX = true, CH = true }

row('geoadd', function(argv)
  local options, from = {}, 3
  while argv[from] and OPTIONS[string.upper(argv[from])] do
    options[string.upper(argv[from])] = true
    from = from + 1
  end
  local s = open_key(argv[2])
  local members = {}
  local is_zset = call('TYPE', argv[2]).ok == 'zset'
  for i = from + 2, #argv, 3 do
    local held = (options.NX or options.XX) and is_zset and call('ZSCORE', argv[2], argv[i])
    if not ((options.NX and held) or (options.XX and not held)) then members[#members + 1] = argv[i] end
  end
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  reg_prefetch(s, 4, members)
  for _, member in ipairs(members) do put(s, 4, member) end
  return reply
end)

-- Reads inside MULTI and EVAL whose replies hold nulls, which RESP3 replies lose in Lua.
row('geohash', function(argv) return native_list(argv) end)

row('geopos', function(argv)
  local reply = native_list(argv)
  if is_error(reply) then return reply end
  for i = 1, #reply do
    local place = reply[i]
    if not place then reply[i] = not RESP3 and { ok = NULL_ARRAY }
    elseif RESP3 then reply[i] = { { double = tonumber(place[1]) }, { double = tonumber(place[2]) } } end
  end
  return reply
end)
