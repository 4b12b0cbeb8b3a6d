-- The merge of src/crdt/merge.ts inside Redis, for keys that are written faster than apply.lua's compare-and-set can follow.
-- Strings, hashes, sets and sorted sets only; stands behind the core of the write script (../scripts.ts). Of equal versions with
-- different contents (a write behind mqkv's back) it keeps what is there: the other path decides and counts those.
--
-- ARGV: per key: tag key header value nregs (name text value)*     the delta's header and registers as texts; value: of the
--       register in the header, of each register: where its text says that the value lies natively, else ''
-- Result: { changed at }* per key: 1 or 0; ms at which a part expires alone, 0: none

-- Header parts: the larger of everything (DESIGN section 3). Result: whether something below `clear` may have to go.
local function merge_header(s, d)
  local clear, typ = s.clear, s.type
  if d.clear > s.clear then s.clear = d.clear end
  if d.reach > s.reach then s.reach = d.reach end
  if d.type ~= 0 then
    if s.type ~= 0 and s.type ~= d.type then
      local older = s.kind < d.kind and s.kind or d.kind
      if older > s.clear then s.clear = older end
    end
    if d.kind > s.kind or (d.kind == s.kind and d.type > s.type) then s.kind, s.type = d.kind, d.type end
  end
  if d.ev > s.ev then
    s.ev, s.at, s.until_ = d.ev, d.at, d.until_
  elseif d.ev == s.ev and d.ev ~= '' then
    s.at = math.max(s.at, d.at)
    if d.until_ ~= '' and (s.until_ == '' or d.until_ < s.until_) then s.until_ = d.until_ end
  end
  settle(s)
  return s.clear ~= clear or s.type ~= typ
end

local function native_text(s, typ, field)
  if typ == 1 then return call('GET', s.key) end
  if typ == 2 then return call('HGET', s.key, field) end
  return call('ZSCORE', s.key, field)
end

local function drop_runs(r)
  local kept = {}
  for _, run in ipairs(r.runs) do if run.v >= r.v then kept[#kept + 1] = run end end
  r.runs = kept
end

local function merge_runs(s, r, runs)
  local changed = false
  for _, run in ipairs(runs) do
    if run.v >= s.clear and run.v >= r.v then
      local at
      for i, held in ipairs(r.runs) do if held.origin == run.origin then at = i end end
      if not at or r.runs[at].v < run.v then
        r.runs[at or #r.runs + 1] = run
        changed = true
      end
    end
  end
  table.sort(r.runs, function(a, b) return a.origin < b.origin end)
  return changed
end

-- The value that the register has natively becomes text of its own as soon as runs count on it.
local function with_base(s, typ, field, r, value)
  if r.kind ~= 'N' or not r.runs then return end
  r.base = value or native_text(s, typ, field) or nil
  if r.base then r.kind = 'B' else r.kind, r.v, r.seen = '-', '', nil end
end

local function set_native(s, typ, field, r, value)
  if r and r.kind == 'N' and typ ~= 1 then
    if typ == 2 then call('HSET', s.key, field, value) elseif typ == 3 then call('SADD', s.key, field) else call('ZADD', s.key, value, field) end
  elseif r and r.kind == 'N' then call('SET', s.key, value)
  elseif typ == s.type then show_native(s, typ, field, r) end
end

-- Result: whether it changed.
local function merge_register(s, typ, field, from, value)
  local is_foreign = typ ~= s.type
  local takes = from.kind ~= '-' and from.v >= s.clear and (from.kind == 'T' or not is_foreign)
  local runs = not is_foreign and from.runs or nil
  if not takes and not runs then return false end
  local old = reg_get(s, typ, field)
  local r = { kind = '-', v = '', runs = {} }
  if old then
    r.kind, r.v, r.seen, r.base, r.marked, r.was_marked = old.kind, old.v, old.seen, old.base, old.marked, old.was_marked
    for i, run in ipairs(old.runs or {}) do r.runs[i] = run end
  end
  local was_live, changed, took = old and is_live(old), false, false
  if takes and (r.kind == '-' or from.v > r.v) then
    r.kind, r.v, r.seen, r.base = from.kind, from.v, from.seen, from.base
    if r.kind == 'B' then value, r.kind, r.base = from.base, 'N', nil end
    drop_runs(r)
    changed, took = true, true
  end
  if runs and merge_runs(s, r, runs) then changed = true end
  if not changed then return false end
  if #r.runs == 0 then r.runs = nil end
  with_base(s, typ, field, r, took and value)
  if took and encode_reg({ kind = r.kind, v = r.v, seen = r.seen, runs = r.runs, base = r.base }) == encode_reg(from) then r.marked = false end
  local is_empty = r.kind == '-' and not r.runs
  reg_set(s, typ, field, not is_empty and r or nil)
  local newest = newest_in(r)
  if newest > s.newest then s.newest = newest end
  if typ == s.type or was_live then
    if r.kind ~= 'N' or took then set_native(s, typ, field, not is_empty and r or nil, value) end
  end
  return true
end

local function header_of(text)
  local d = { clear = '', kind = '', type = 0, ev = '', at = 0, until_ = '', reach = '', newest = '', count = 0, flags = '' }
  decode_header(d, text)
  return d
end

local function core_of(s)
  return table.concat({ s.clear, s.kind, s.type, s.ev, format('%.0f', s.at), s.until_, s.reach }, ',')
end

-- What a delta leaves of values of another type, or written behind our back, goes.
local function drop_native(s)
  local typ = call('TYPE', s.key).ok
  if typ ~= 'none' and TYPES[typ] ~= s.type then call('DEL', s.key) end
end

local function merge_key(tag, key, i)
  local s = load_state(key, tag)
  local d = header_of(ARGV[i])
  -- A Redis out of memory refuses this first of all, and nothing is half done.
  if s.exists then call('HSET', s.large and s.slot .. '.' or s.slot, key, s.text) end
  local before, typ = core_of(s), s.type
  local must_sweep = merge_header(s, d)
  drop_native(s)
  if must_sweep then sweep(s, s.clear, s.type == typ) end
  local changed = s.header_dirty or next(s.dirty) ~= nil or core_of(s) ~= before
  if d.reg and merge_register(s, d.regtype, '', d.reg, ARGV[i + 1]) then changed = true end
  local names = {}
  for j = i + 3, i + 2 + 3 * tonumber(ARGV[i + 2]), 3 do
    local name = ARGV[j]
    if merge_register(s, tonumber(sub(name, 1, 1)), sub(name, 2), decode_reg(ARGV[j + 1]), ARGV[j + 2]) then changed = true end
  end
  if not changed then return 0, 0 end
  local known = newest_known(s)
  if known > s.newest then s.newest = known end
  if s.at ~= 0 and s.at <= now_ms then free(s) end
  flush_regs(s)
  store_header(s)
  local at = shown_ttl(s)
  set_ttl(key, at)
  return 1, at == 0 and s.at > now_ms and shows(s) and s.at or 0
end

unit = { states = {}, list = {}, opened = {} }
local results = {}
local i = 1
while i <= #ARGV do
  local changed, at = merge_key(ARGV[i], ARGV[i + 1], i + 2)
  results[#results + 1] = changed
  results[#results + 1] = format('%.0f', at)
  i = i + 5 + 3 * tonumber(ARGV[i + 4])
end
return results
