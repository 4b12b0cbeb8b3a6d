-- Sorted set commands: puts, removals and additions of members.

local OPTIONS = { nx = true, xx = true, gt = true, lt = true, ch = true, incr = true }

local function read_options(argv)
  local options, i = {}, 3
  while argv[i] do
    local word = string.lower(argv[i])
    if not OPTIONS[word] then break end
    options[word] = true
    i = i + 1
  end
  return options, i
end

local function score_reply(text)
  if RESP3 then return { double = tonumber(text) } end
  return text
end

-- ZINCRBY, ZADD INCR. `argv` is the native command.
local function increase(argv, member, increment)
  local key = argv[2]
  local s = open_key(key)
  local held = reg_get(s, 4, member)
  local base = (not held or not held.runs) and native('ZSCORE', key, member) or nil
  local reply = native_list(argv)
  if not reply or is_error(reply) then return reply end
  if is_error(base) or not base then base = nil end
  local r = add(s, 4, member, parse_double(increment), base)
  local shown = shown_text(r, 4)
  if tonumber(shown) ~= tonumber(reply) then show_native(s, 4, member, r) end
  return score_reply(shown)
end

-- The members that ZADD with conditions will write, each pair judged by what the one before left.
local function allowed_members(key, argv, from, options)
  local members, scores = {}, {}
  for i = from, #argv, 2 do
    local member, score = argv[i + 1], parse_double(argv[i])
    local held = scores[member]
    if held == nil then held = tonumber(call('ZSCORE', key, member) or nil) end
    local is_allowed
    if held == nil then is_allowed = not options.xx
    else is_allowed = not options.nx and not (options.gt and score <= held) and not (options.lt and score >= held) end
    if is_allowed then
      members[#members + 1] = member
      scores[member] = score
    elseif held ~= nil then
      scores[member] = held
    end
  end
  return members
end

-- ZADD of more pairs than one native call takes: scores are checked first, so that nothing is half done.
local function add_many(argv, from)
  for i = from, #argv, 2 do
    if not parse_double(argv[i]) then return { err = 'ERR value is not a valid float' } end
  end
  local sum = 0
  for i = from, #argv, ARGUMENTS_MAX do
    local part = { unpack(argv, 1, from - 1) }
    for j = i, math.min(#argv, i + ARGUMENTS_MAX - 1) do part[#part + 1] = argv[j] end
    local reply = native_list(part)
    if is_error(reply) then return reply end
    sum = sum + reply
  end
  return sum
end

row('zadd', function(argv)
  local options, from = read_options(argv)
  if options.incr then
    if #argv - from ~= 1 then return native_list(argv) end
    return increase(argv, argv[from + 1], argv[from])
  end
  local s = open_key(argv[2])
  local is_conditional = options.nx or options.xx or options.gt or options.lt
  local members
  if is_conditional and (#argv - from) % 2 == 1 and call('TYPE', argv[2]).ok == 'zset' then
    for i = from, #argv, 2 do if not parse_double(argv[i]) then return native_list(argv) end end
    members = allowed_members(argv[2], argv, from, options)
  elseif options.xx then
    return native_list(argv)
  elseif options.nx and (#argv - from) % 2 == 1 then
    for i = from, #argv, 2 do if not parse_double(argv[i]) then return native_list(argv) end end
  end
  if (options.nx or options.gt or options.lt) and not members then
    members = {}
    if (#argv - from) % 2 == 1 then
      for i = from, #argv, 2 do members[#members + 1] = argv[i + 1] end
    end
  end
  local reply
  if #argv > ARGUMENTS_MAX and (#argv - from) % 2 == 1 then reply = add_many(argv, from) else reply = native_list(argv) end
  if is_error(reply) then return reply end
  if not members then
    members = {}
    for i = from, #argv, 2 do members[#members + 1] = argv[i + 1] end
  end
  reg_prefetch(s, 4, members)
  for _, member in ipairs(members) do put(s, 4, member) end
  return reply
end)

row('zincrby', function(argv) return increase(argv, argv[4], argv[3]) end)

local function remove_all(s, members)
  reg_prefetch(s, 4, members)
  for _, member in ipairs(members) do remove(s, 4, member) end
end

row('zrem', function(argv)
  local s = open_key(argv[2])
  local reply = native_chunks('ZREM', argv[2], argv, 3, 1)
  if is_error(reply) or reply == 0 then return reply end
  reg_prefetch(s, 4, argv, 3)
  for i = 3, #argv do remove(s, 4, argv[i]) end
  return reply
end)

-- Removals by range: the members are read by the range's own reading form first.
local function remove_range(reading)
  return function(argv)
    local s = open_key(argv[2])
    local members = native(reading, argv[2], argv[3], argv[4])
    local reply = native_list(argv)
    if not is_error(reply) and reply > 0 then remove_all(s, members) end
    return reply
  end
end

row('zremrangebyrank', remove_range('ZRANGE'))
row('zremrangebyscore', remove_range('ZRANGEBYSCORE'))
row('zremrangebylex', remove_range('ZRANGEBYLEX'))

-- Members and scores in pairs, as the protocol nests them.
local function element_replies(flat, nested)
  if not RESP3 and not nested then return flat end
  local elements = {}
  for i = 1, #flat, 2 do elements[#elements + 1] = { flat[i], score_reply(flat[i + 1]) } end
  return elements
end

local function pop(argv)
  local s = open_key(argv[2])
  local flat = native_list(argv)
  if is_error(flat) then return flat end
  local members = {}
  for i = 1, #flat, 2 do members[#members + 1] = flat[i] end
  remove_all(s, members)
  if RESP3 and not argv[3] then
    if flat[2] then flat[2] = score_reply(flat[2]) end
    return flat
  end
  return element_replies(flat, false)
end

row('zpopmin', pop)
row('zpopmax', pop)

row('zmpop', function(argv)
  local nkeys = parse_int64(argv[2])
  for i = 3, math.min(#argv, 2 + (tonumber(nkeys) or 0)) do open_key(argv[i]) end
  local reply = native_list(argv)
  if not reply then return null_array() end
  if is_error(reply) then return reply end
  local members = {}
  for i, element in ipairs(reply[2]) do
    members[i] = element[1]
    reply[2][i] = { element[1], score_reply(element[2]) }
  end
  remove_all(open_key(reply[1]), members)
  return reply
end)
