-- The state of keys as text, and the local writes of DESIGN section 3 (rules 1 to 8) on it, as src/crdt/edit.ts has them.
--
-- Where it lies: the header in `mqkv:{tag}` or, when key or text is longer than 64 bytes, in `mqkv:{tag}.` (a short key
-- with a long header leaves the stub `L`); registers of hash (2), set (3), zset (4) in `mqkv:{tag}:KEY`, field = type digit + field name.
-- Types with one register, string (1), list (5), stream (6), other (7), keep it in the header behind `|` as type digit +
-- register text; when two of them hold something (a tombstone and a value) the second lies in the register hash, field =
-- type digit.
--
--   header   = P V | X V at12 | D V | G clear,kind,type,ev,at,until,reach,newest,count,flags[|type register]    lower case: marked
--   flags    = s: a register of the register hash may have seen or runs | w: while marked, the whole key is to be sent
--   register = V v | T v | R kind;v;seen;runs;base                                                             lower case: marked
--   kind     = N live, value native | B live, base stored | T tombstone | - no value part
--   seen     = start:total,...    runs = v:start:total,...    ascending by origin
--
-- In memory. State: key, tag, text, clear, kind, type, ev, at (ms, 0 none), until_, reach, newest, count, flags, marked,
-- reg + regtype (the register in the header), noregs (no register hash). Register: kind, v, seen, runs, base, marked; seen
-- and runs are lists {v, start, total, origin} or nil.
--
-- For rows: open_key(key) before the native command of every key that it may change; native(...); then put, remove, add,
-- overwrite, expire; native TTLs come by themselves.

local SHORT_BYTES = 64
local ARGUMENTS_MAX = 3000 -- of one native command: unpack fails near 8,000 values
local SINGLE = { [1] = true, [5] = true, [6] = true, [7] = true }
local TYPES = { string = 1, hash = 2, set = 3, zset = 4, list = 5, stream = 6 }
local ADDING_TYPES = { [1] = true, [2] = true, [4] = true }

local unit -- {v, states by key, list, opened}: set by unit_begin


local function read_seen(text)
  if text == '' then return nil end
  local seen = {}
  for start, total in gmatch(text, '(%x+):([^,]+)') do
    seen[#seen + 1] = { start = start, total = read_total(total), origin = sub(start, 17) }
  end
  return seen
end

local function read_runs(text)
  if text == '' then return nil end
  local runs = {}
  for v, start, total in gmatch(text, '(%x+):(%x+):([^,]+)') do
    runs[#runs + 1] = { v = v, start = start, total = read_total(total), origin = sub(v, 17) }
  end
  return runs
end

local function decode_reg(text)
  local form = byte(text)
  local marked = form >= 97
  if form == 86 or form == 118 then return { kind = 'N', v = sub(text, 2), marked = marked } end
  if form == 84 or form == 116 then return { kind = 'T', v = sub(text, 2), marked = marked } end
  local kind, v, seen, runs, base = match(text, '^.(.);(%x*);([^;]*);([^;]*);(.*)$')
  return { kind = kind, v = v, seen = read_seen(seen), runs = read_runs(runs), base = kind == 'B' and base or nil, marked = marked }
end

local function encode_reg(r)
  local seen, runs = r.seen, r.runs
  if not seen and not runs then
    if r.kind == 'N' then return (r.marked and 'v' or 'V') .. r.v end
    if r.kind == 'T' then return (r.marked and 't' or 'T') .. r.v end
  end
  local parts = {}
  for i, run in ipairs(seen or {}) do parts[i] = run.start .. ':' .. total_text(run.total) end
  local others = {}
  for i, run in ipairs(runs or {}) do others[i] = run.v .. ':' .. run.start .. ':' .. total_text(run.total) end
  return (r.marked and 'r' or 'R') .. r.kind .. ';' .. r.v .. ';' .. table.concat(parts, ',') .. ';' .. table.concat(others, ',') .. ';' .. (r.base or '')
end

local function newest_in(r)
  local newest = r.v
  for _, run in ipairs(r.runs or {}) do if run.v > newest then newest = run.v end end
  return newest
end

local function is_live(r)
  return r.kind == 'N' or r.kind == 'B' or r.runs ~= nil
end

local function newest_in_header(s)
  local newest = s.clear
  if s.kind > newest then newest = s.kind end
  if s.ev > newest then newest = s.ev end
  if s.reach > newest then newest = s.reach end
  return newest
end

local function newest_known(s)
  local newest = newest_in_header(s)
  local inline = s.reg and newest_in(s.reg) or ''
  return inline > newest and inline or newest
end

local function decode_general(s, text)
  local clear, kind, typ, ev, at, until_, reach, newest, count, flags, rest =
    match(text, '^.([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),(%d*),(%a*)(.*)$')
  local last = ''
  local function version(field)
    if field == '' then return '' end
    if field == '+' then last = above(last) elseif field ~= '=' then last = field end
    return last
  end
  s.clear, s.kind, s.ev = version(clear), version(kind), version(ev)
  s.until_, s.reach, s.newest = version(until_), version(reach), version(newest)
  s.type = tonumber(typ) or 0
  s.at = tonumber(at, 16) or 0
  s.count = tonumber(count) or 0
  s.flags = flags
  if rest ~= '' then
    s.regtype = tonumber(sub(rest, 2, 2))
    s.reg = decode_reg(sub(rest, 3))
  end
  if s.newest == '' then s.newest = newest_known(s) end
end

local function decode_header(s, text)
  local form = byte(text)
  if form >= 97 then
    s.marked = true
    form = form - 32
  end
  if form == 71 then return decode_general(s, text) end
  local v = sub(text, 2, 25)
  s.clear, s.newest, s.noregs = v, v, true
  if form == 68 then return end
  s.kind, s.type, s.regtype = v, 1, 1
  s.reg = { kind = 'N', v = v }
  if form == 88 then
    s.ev, s.at, s.reach = v, tonumber(sub(text, 26), 16), above(v)
    s.newest = s.reach
  end
end

-- The short forms, where one can express the state.
local function plain_header(s)
  if not s.noregs or s.clear == '' or s.until_ ~= '' then return nil end
  local v = s.clear
  if s.type == 0 and s.ev == '' and s.reach == '' and not s.reg then
    return s.newest == v and (s.marked and 'd' or 'D') .. v or nil
  end
  local r = s.reg
  if s.type ~= 1 or s.kind ~= v or not r or s.regtype ~= 1 or r.kind ~= 'N' or r.v ~= v or r.seen then return nil end
  if s.ev == '' and s.reach == '' then return s.newest == v and (s.marked and 'p' or 'P') .. v or nil end
  if s.ev ~= v or s.at == 0 or s.reach ~= above(v) or s.newest ~= s.reach then return nil end
  return (s.marked and 'x' or 'X') .. v .. format('%012x', s.at)
end

local function encode_header(s)
  local plain = plain_header(s)
  if plain then return plain end
  local last = ''
  local function version(v)
    if v == '' then return '' end
    local text = v
    if v == last then text = '=' elseif last ~= '' and v == above(last) then text = '+' end
    last = v
    return text
  end
  local known = newest_known(s)
  local fields = {
    version(s.clear), version(s.kind), s.type == 0 and '' or s.type, version(s.ev),
    s.at == 0 and '' or format('%012x', s.at), version(s.until_), version(s.reach),
    s.newest == known and '' or version(s.newest), s.count == 0 and '' or format('%.0f', s.count), s.flags,
  }
  local text = (s.marked and 'g' or 'G') .. table.concat(fields, ',')
  if s.reg then text = text .. '|' .. s.regtype .. encode_reg(s.reg) end
  return text
end

local function store_header(s)
  local text, slot = encode_header(s), s.slot
  if #s.key <= SHORT_BYTES and #text <= SHORT_BYTES then
    call('HSET', slot, s.key, text)
    if s.large then call('HDEL', slot .. '.', s.key) end
    s.large = false
    return
  end
  call('HSET', slot .. '.', s.key, text)
  if not s.large and #s.key <= SHORT_BYTES then call('HSET', slot, s.key, 'L') end
  s.large = true
end
