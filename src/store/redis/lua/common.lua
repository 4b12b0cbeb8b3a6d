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

-- ---------------------------------------------------------------- texts

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

-- ---------------------------------------------------------------- native commands

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

-- ---------------------------------------------------------------- registers

local function reg_field(typ, field)
  return SINGLE[typ] and typ .. '' or typ .. field
end

-- The register, nil where none is held.
local function reg_get(s, typ, field)
  if s.regtype == typ then return s.reg end
  local name = reg_field(typ, field)
  local r = s.regs[name]
  if r == nil then
    local text = not s.noregs and call('HGET', s.rkey, name)
    r = text and decode_reg(text) or false
    s.regs[name] = r
  end
  return r or nil
end

-- Reads registers of many fields at once.
local function reg_prefetch(s, typ, fields, from, step)
  if SINGLE[typ] then return end
  local names = {}
  for i = from or 1, #fields, step or 1 do
    local name = typ .. fields[i]
    if s.regs[name] == nil then
      if s.noregs then s.regs[name] = false else names[#names + 1] = name end
    end
  end
  for i = 1, #names, ARGUMENTS_MAX do
    local last = math.min(#names, i + ARGUMENTS_MAX - 1)
    local texts = call('HMGET', s.rkey, unpack(names, i, last))
    for j = i, last do
      local text = texts[j - i + 1]
      s.regs[names[j]] = text and decode_reg(text) or false
    end
  end
end

-- Holds a register (nil: none any more). `reg_get` it first. `marks`: it changed, the outbox must know.
local function reg_set(s, typ, field, r, marks)
  local name = reg_field(typ, field)
  if SINGLE[typ] and (s.regtype == typ or (s.regtype == nil and not s.regs[name])) then
    if r then r.marked = nil end -- the header's mark covers it
    s.reg, s.regtype = r, r and typ or nil
    s.header_dirty = true
    return
  end
  local old = s.regs[name]
  local was = old and old.was_marked
  if old and old.was_marked == nil then was = old.marked end
  if r then
    r.marked = (marks and MARK) or r.marked or false
    if r.seen or r.runs then
      if not string.find(s.flags, 's', 1, true) then s.flags = s.flags .. 's' end
    end
  end
  local is = r and r.marked or false
  if (was or false) ~= is then s.count = s.count + (is and 1 or -1) end
  if r then r.was_marked = is end
  s.regs[name] = r or false
  s.dirty[name] = true
  s.header_dirty = true
end

local function flush_regs(s)
  if next(s.dirty) == nil then return end
  local sets, dels = {}, {}
  for name in pairs(s.dirty) do
    local r = s.regs[name]
    if r then
      sets[#sets + 1] = name
      sets[#sets + 1] = encode_reg(r)
    elseif not s.noregs then
      dels[#dels + 1] = name
    end
  end
  s.dirty = {}
  if #dels > 0 then call_chunks('HDEL', s.rkey, dels, 1) end
  if #sets > 0 then
    call_chunks('HSET', s.rkey, sets, 2)
    s.noregs = false
  end
end

-- Visits the registers of the register hash: visit(name, register); ends when that returns true.
local function scan_regs(s, visit)
  flush_regs(s)
  if s.noregs then return end
  local cursor = '0'
  repeat
    local reply = call('HSCAN', s.rkey, cursor, 'COUNT', 500)
    cursor = reply[1]
    local pairs_ = reply[2]
    for i = 1, #pairs_, 2 do
      if visit(pairs_[i], s.regs[pairs_[i]] or decode_reg(pairs_[i + 1])) then return end
    end
  until cursor == '0'
end

local function drop_regs(s)
  if not s.noregs then call('DEL', s.rkey) end
  s.noregs, s.regs, s.dirty, s.count = true, {}, {}, 0
  s.flags = string.gsub(s.flags, 's', '')
end

-- ---------------------------------------------------------------- what shows

local function end_of(s)
  if s.at == 0 then return '' end
  local at = format('%012x', s.at) .. '000000000000'
  if s.reach > at then at = s.reach end
  return s.until_ ~= '' and s.until_ < at and s.until_ or at
end

local function floor_of(s)
  if s.at == 0 or s.at > now_ms then return s.clear end
  local fired = end_of(s)
  return fired > s.clear and fired or s.clear
end

local function shows(s)
  return call('EXISTS', s.key) == 1
end

-- The TTL that the key shows: Unix ms, 0: none. Live registers are never newer than the kind.
local function shown_ttl(s)
  if s.at <= now_ms or not shows(s) then return 0 end
  local fires = end_of(s)
  if s.kind < fires then return s.at end
  local hider = false
  local function look(_, r)
    hider = is_live(r) and newest_in(r) >= fires
    return hider
  end
  if SINGLE[s.type] then
    local r = reg_get(s, s.type, '')
    if r then look('', r) end
  elseif not (s.last_put and s.regs[s.last_put] and look('', s.regs[s.last_put])) then
    scan_regs(s, look)
  end
  return hider and 0 or s.at
end

-- What a register with runs shows, as native text; nil: its base is no number, and shows itself.
local function sum_of(r, typ)
  local base = '0'
  if r.kind == 'B' then base = typ == 4 and tonumber(r.base) or parse_total(r.base, typ == 1) end
  if base == nil then return nil end
  local parts = {}
  for i, run in ipairs(r.runs) do
    local total = run.total
    for _, seen in ipairs(r.seen or {}) do
      if seen.start == run.start then total = subtract_totals(total, seen.total) end
    end
    parts[i] = total
  end
  return sum_totals(base, parts)
end

local function shown_text(r, typ)
  if not r.runs then return r.base end
  local sum = sum_of(r, typ)
  if sum == nil then return r.base end
  return typ == 4 and format('%.17g', tonumber(sum)) or shown_total(sum)
end

-- Makes the native value that of a register. nil: it is gone.
local function show_native(s, typ, field, r)
  if not r or not is_live(r) then
    if typ == 2 then call('HDEL', s.key, field)
    elseif typ == 3 then call('SREM', s.key, field)
    elseif typ == 4 then call('ZREM', s.key, field)
    else call('DEL', s.key) end
  elseif r.kind ~= 'N' then
    local text = shown_text(r, typ)
    if typ == 1 then call('SET', s.key, text, 'KEEPTTL')
    elseif typ == 2 then call('HSET', s.key, field, text)
    elseif typ == 4 then call('ZADD', s.key, text, field) end
  end
end

-- ---------------------------------------------------------------- letting go

-- Below `floor`, or live and of another type than the kind's: gone. Result: changed, the register or nil.
local function sweep_reg(r, low, foreign)
  local changed, limit = false, low
  if r.kind ~= '-' and ((foreign and r.kind ~= 'T') or r.v < low) then
    r.kind, r.v, r.seen, r.base = '-', '', nil, nil
    changed = true
  elseif r.v > limit then
    limit = r.v
  end
  if r.runs then
    local kept = {}
    for _, run in ipairs(r.runs) do
      if not foreign and run.v >= limit then kept[#kept + 1] = run end
    end
    if #kept < #r.runs then changed = true end
    r.runs = #kept > 0 and kept or nil
  end
  if r.kind == '-' and not r.runs then return true, nil end
  return changed, r
end

-- Sweeps all registers; `fix`: native values follow.
local function sweep(s, low, fix)
  local changes = {}
  local function look(name, r)
    local typ = tonumber(sub(name, 1, 1))
    local was = is_live(r)
    local marked = r.marked
    local changed, kept = sweep_reg(r, low, typ ~= s.type)
    if changed then
      r.was_marked = marked
      changes[#changes + 1] = { typ = typ, field = sub(name, 2), name = name, old = r, kept = kept, was = was }
    end
  end
  scan_regs(s, look)
  for _, c in ipairs(changes) do
    s.regs[c.name] = c.old
    reg_set(s, c.typ, c.field, c.kept)
    if fix and c.was then show_native(s, c.typ, c.field, c.kept) end
  end
  if s.reg then
    local was, typ = is_live(s.reg), s.regtype
    local changed, kept = sweep_reg(s.reg, low, typ ~= s.type)
    if changed then
      s.reg, s.regtype, s.header_dirty = kept, kept and typ or nil, true
      if fix and was then show_native(s, typ, '', kept) end
    end
  end
end

-- Frees what a fired expiry has ended; the header stays as it is.
local function free(s)
  local low = floor_of(s)
  if s.kind >= low then return sweep(s, low, true) end
  call('DEL', s.key)
  if s.newest < low or s.newest == s.reach then
    s.reg, s.regtype = nil, nil
    if not s.noregs then
      drop_regs(s)
      s.header_dirty = true
    end
    return
  end
  sweep(s, low, false)
end

-- Header parts below `clear` go.
local function settle(s)
  if s.kind < s.clear then s.kind, s.type = '', 0 end
  if s.ev < s.clear then s.ev, s.at, s.until_ = '', 0, '' end
  if s.reach < s.clear then s.reach = '' end
end

-- ---------------------------------------------------------------- states of a unit

local function crc16(key)
  local crc = 0
  for i = 1, #key do
    crc = bit.bxor(crc, bit.lshift(byte(key, i), 8))
    for _ = 1, 8 do
      crc = bit.lshift(crc, 1)
      if bit.band(crc, 65536) ~= 0 then crc = bit.bxor(crc, 69665) end
    end
  end
  return crc
end

local function tag_of(key)
  local open = string.find(key, '{', 1, true)
  local close = open and string.find(key, '}', open + 1, true)
  local slot = crc16(close and close > open + 1 and sub(key, open + 1, close - 1) or key) % 16384
  local tag = call('GETRANGE', 'mqkv:tags', slot * 3, slot * 3 + 2)
  if #tag ~= 3 then error({ err = 'ERR mqkv:tags is missing: mqkv has not opened this store' }) end
  return tag
end

local function load_state(key, tag)
  local slot = 'mqkv:{' .. tag .. '}'
  local s = {
    key = key, tag = tag, slot = slot, rkey = slot .. ':' .. key,
    clear = '', kind = '', type = 0, ev = '', at = 0, until_ = '', reach = '', newest = '', count = 0, flags = '',
    regs = {}, dirty = {}, touched = {}, names = {},
  }
  local text
  if #key <= SHORT_BYTES then
    text = call('HGET', slot, key)
    if text == 'L' then
      s.large = true
      text = call('HGET', slot .. '.', key)
    end
  else
    text = call('HGET', slot .. '.', key)
    s.large = text and true
  end
  s.text, s.exists = text or '', text and true or false
  if text then decode_header(s, text) else s.noregs = true end
  unit.states[key] = s
  unit.list[#unit.list + 1] = s
  if s.at ~= 0 and s.at <= now_ms then free(s) end
  if unit.v and s.newest >= unit.v then unit.v = next_version(s.newest) end
  return s
end

-- The state of a key; loads one that the unit has not named (a script's undeclared key on a single Redis).
local function key_state(key)
  local s = unit.states[key]
  if s then return s end
  if CLUSTER then error({ err = 'ERR on a cluster a script may only use the keys that it declares' }) end
  if sub(key, 1, 5) == 'mqkv:' then error({ err = "ERR key names beginning with 'mqkv:' are reserved" }) end
  return load_state(key, tag_of(key))
end

-- Begins a unit over keys that stand in ARGV as (key tag)* from `at`.
local function unit_begin(argv, at, count)
  unit = { states = {}, list = {}, opened = {} }
  for i = at, at + 2 * count - 1, 2 do
    if not unit.states[argv[i]] then load_state(argv[i], argv[i + 1]) end
  end
end

-- The unit's version, chosen at its first effect.
local function unit_version()
  local v = unit.v
  if v then return v end
  local newest = ''
  for _, s in ipairs(unit.list) do if s.newest > newest then newest = s.newest end end
  v = next_version(newest)
  unit.v = v
  return v
end

-- ---------------------------------------------------------------- effects

-- Before a command's native call on a key that it may change: what rules 7 and 8 ask, and whether it was written behind our back.
local function open_key(key)
  local s = key_state(key)
  if unit.opened[key] then return s end
  unit.opened[key] = true
  unit.opened[#unit.opened + 1] = s
  s.effect, s.had_ttl, s.rebirth = false, false, false
  if s.at > now_ms then
    s.had_ttl = shown_ttl(s) ~= 0
    s.rebirth = not s.had_ttl and not shows(s)
    s.native_at = s.had_ttl and s.at or 0
  elseif s.native_at == nil then
    s.native_at = 0
  end
  if not s.exists and not s.changed then
    local typ = call('TYPE', key).ok
    s.foreign = typ ~= 'none' and typ or nil
    if s.foreign and NATIVE_TTL then
      local left = call('PTTL', key)
      s.foreign_at = left > 0 and now_ms + left or 0
    end
  end
  return s
end

-- The TTL that an opened key shows, also one written behind our back: Unix ms, 0: none.
local function shown_at(s)
  return s.foreign and (s.foreign_at or 0) or shown_ttl(s)
end

local adopt

-- Rule 1, before the first effect of a command on a key.
local function begin(s)
  if s.effect then return end
  s.effect, s.changed = true, true
  unit_version()
  if s.at ~= 0 and s.at <= now_ms then
    local low = floor_of(s)
    if low > s.clear then s.clear = low end
    settle(s)
  end
  if s.foreign then adopt(s) end
end

local function touch(s, typ, field)
  local name = reg_field(typ, field)
  if s.touched[name] then return end
  s.touched[name] = true
  s.names[#s.names + 1] = name
end

-- Rule 2: what a new value part remembers of the runs of other origins.
local function seen_after(r)
  local runs = r.runs
  if not runs or (#runs == 1 and runs[1].origin == ORIGIN) then return r.seen end
  local by_origin, origins = {}, {}
  for _, list in ipairs({ r.seen or {}, runs }) do
    for _, run in ipairs(list) do
      if list ~= runs or run.origin ~= ORIGIN then
        if not by_origin[run.origin] then origins[#origins + 1] = run.origin end
        by_origin[run.origin] = { start = run.start, total = run.total, origin = run.origin }
      end
    end
  end
  table.sort(origins)
  local seen = {}
  for i, origin in ipairs(origins) do seen[i] = by_origin[origin] end
  return #seen > 0 and seen or nil
end

-- Rules 4 and 7, after a put or add.
local function wrote(s, typ, field)
  local v = unit.v
  local is_other = s.type ~= 0 and s.type ~= typ
  local old = s.kind
  s.kind, s.type = v, typ
  if is_other and old > s.clear then s.clear = old end
  settle(s)
  if is_other then sweep(s, s.clear, false) end
  if s.rebirth then
    s.rebirth = false
    if s.at > now_ms and s.until_ == '' then
      s.until_ = v
      s.expiry_changed = true
    end
  end
  s.last_put = reg_field(typ, field)
  touch(s, typ, field)
end

-- Writes a field; its value is native already.
local function put(s, typ, field)
  begin(s)
  local old = reg_get(s, typ, field)
  local r = { kind = 'N', v = unit.v }
  if old then r.seen, r.marked, r.was_marked = seen_after(old), old.marked, old.was_marked end
  reg_set(s, typ, field, r, true)
  wrote(s, typ, field)
end

-- Removes a field that showed until now; false: it did not.
local function remove(s, typ, field)
  local old = s.type == typ and reg_get(s, typ, field)
  if not old or not is_live(old) then
    if s.foreign and not s.effect then begin(s) end
    return false
  end
  begin(s)
  reg_set(s, typ, field, { kind = 'T', v = unit.v, seen = seen_after(old), marked = old.marked, was_marked = old.was_marked }, true)
  touch(s, typ, field)
  return true
end

-- Adds a total (integer text or double). `base`: the native text before, needed where the register had no runs; nil: none.
-- Result: the register.
local function add(s, typ, field, increment, base)
  begin(s)
  local v = unit.v
  local old = reg_get(s, typ, field)
  local r = { kind = '-', v = '', runs = {} }
  if old then
    r.kind, r.v, r.seen, r.base, r.marked, r.was_marked = old.kind, old.v, old.seen, old.base, old.marked, old.was_marked
    if old.kind == 'N' then r.kind, r.base = 'B', base end
  end
  local own
  for _, run in ipairs(old and old.runs or {}) do
    if run.origin == ORIGIN then own = run else r.runs[#r.runs + 1] = run end
  end
  local total = own and add_totals(own.total, increment) or increment
  if total ~= total then total = 0 end
  r.runs[#r.runs + 1] = { v = v, start = own and own.start or v, total = total, origin = ORIGIN }
  table.sort(r.runs, function(a, b) return a.origin < b.origin end)
  reg_set(s, typ, field, r, true)
  wrote(s, typ, field)
  return r
end

-- Deletes what shows, metadata only (rule 5): a delete, or what overwriting commands begin with.
local function overwrite(s)
  s.foreign = nil
  begin(s)
  local v = unit.v
  local kept = {}
  if string.find(s.flags, 's', 1, true) then
    scan_regs(s, function(name, r)
      local seen = seen_after(r)
      if seen then kept[name] = { kind = 'T', v = v, seen = seen, marked = r.marked or MARK } end
    end)
  end
  drop_regs(s)
  local seen = s.reg and seen_after(s.reg)
  if seen then s.reg = { kind = 'T', v = v, seen = seen } else s.reg, s.regtype = nil, nil end
  for name, r in pairs(kept) do reg_set(s, tonumber(sub(name, 1, 1)), sub(name, 2), r, true) end
  s.clear, s.kind, s.type, s.ev, s.at, s.until_, s.reach = v, '', 0, '', 0, '', ''
  s.had_ttl, s.rebirth, s.overwrote, s.native_at = false, false, true, 0
end

-- Sets (Unix ms) or takes away (0) the expiry (rule 6). A time in the past is a delete, native too.
local function expire(s, at)
  if at ~= 0 and at <= now_ms then
    call('DEL', s.key)
    return overwrite(s)
  end
  if at == 0 and shown_ttl(s) == 0 then return end
  begin(s)
  s.ev, s.at, s.until_ = unit.v, at, ''
  if at ~= 0 then s.had_ttl = true end
  s.expiry_changed = true
  settle(s)
end

-- Puts all that the key holds natively. Result: whether it holds anything.
local function put_native(s)
  local typ = TYPES[call('TYPE', s.key).ok]
  if not typ then
    if not shows(s) then return false end
    typ = 7
  end
  if SINGLE[typ] then
    put(s, typ, '')
    return true
  end
  local fields
  if typ == 2 then fields = call('HKEYS', s.key) elseif typ == 3 then fields = call('SMEMBERS', s.key) else fields = call('ZRANGE', s.key, 0, -1) end
  reg_prefetch(s, typ, fields)
  for _, field in ipairs(fields) do put(s, typ, field) end
  return true
end

-- What was written behind our back counts as put just now.
adopt = function(s)
  s.foreign = nil
  if not put_native(s) then return end
  if (s.foreign_at or 0) > now_ms then
    expire(s, s.foreign_at)
    s.native_at = s.at
  end
  s.overwrote = true
end

-- Records the native value as a whole, last writer wins: one register, or for types with registers an overwrite and puts.
-- A key that is gone natively counts as deleted.
local function whole_put(s)
  local typ = TYPES[call('TYPE', s.key).ok] or 7
  if SINGLE[typ] and shows(s) then return put(s, typ, '') end
  local at = shown_ttl(s)
  local native_at = s.native_at
  overwrite(s)
  if put_native(s) and at ~= 0 then
    expire(s, at)
    s.native_at = native_at
  end
end

-- Sets the native expiry; 0: none.
local function set_ttl(key, at)
  if not NATIVE_TTL then return end
  if at == 0 then call('PERSIST', key) else call('PEXPIREAT', key, format('%.0f', at)) end
end

-- After a command: rule 8 and native TTLs of the keys that it changed.
local function finish_command()
  for _, s in ipairs(unit.opened) do
    if s.effect then
      local at = s.at > now_ms and shown_ttl(s) or 0
      if s.had_ttl or at ~= 0 then
        s.reach = above(unit.v)
        settle(s)
        at = s.at > now_ms and shown_ttl(s) or 0
      end
      if at ~= s.native_at then
        set_ttl(s.key, at)
        s.native_at = at
      end
    end
  end
  unit.opened = {}
end

-- A whole delta is sent where the expiry changed and the key is small: about 16 KB.
local function fits_whole(s)
  if s.type == 1 then return call('STRLEN', s.key) <= 16384 end
  if not s.noregs and call('HLEN', s.rkey) > 400 then return false end
  return (call('MEMORY', 'USAGE', s.key, 'SAMPLES', 0) or 0) <= 16384
end

local function note_touched(s, out)
  out[#out + 1] = s.key
  if s.overwrote or (s.expiry_changed and fits_whole(s)) then
    out[#out + 1] = '*'
    return true
  end
  out[#out + 1] = #s.names
  for _, name in ipairs(s.names) do out[#out + 1] = name end
  return false
end

-- Ends the unit: headers, registers. Appends version and touched registers to `out`.
local function unit_end(out)
  out[#out + 1] = ''
  local at = #out
  for _, s in ipairs(unit.list) do
    if s.changed then
      local v = unit.v
      out[at] = v
      s.newest = s.reach > v and s.reach or v
      flush_regs(s)
      local whole = note_touched(s, out)
      if MARK then
        s.marked = true
        if whole and not s.overwrote and s.type > 1 and not string.find(s.flags, 'w', 1, true) then s.flags = s.flags .. 'w' end
      end
      store_header(s)
      if s.at > now_ms and s.native_at == 0 and shows(s) then
        out[#out + 1] = s.key
        out[#out + 1] = '@'
        out[#out + 1] = format('%.0f', s.at)
      end
    elseif s.header_dirty then
      flush_regs(s)
      s.newest = newest_known(s) > s.newest and newest_known(s) or s.newest
      store_header(s)
    end
  end
  for _, part in ipairs(unit.published or {}) do out[#out + 1] = part end
end

-- ---------------------------------------------------------------- commands

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
