-- Local writes, rules 1 to 7: what a command does to a key, all with the unit's version. As src/crdt/edit.ts.

-- Before a command's native call on a key that it may change: what rules 7 and 8 ask, and whether it was written behind our back.
local function open_key(key)
  local s = key_state(key)
  if unit.opened[key] then return s end
  unit.opened[key] = true
  unit.opened[#unit.opened + 1] = s
  s.effect, s.had_ttl, s.rebirth, s.was_gone = false, false, false, false
  if s.at > now_ms then
    s.had_ttl = shown_ttl(s) ~= 0
    s.rebirth = not s.had_ttl and not shows(s)
    s.was_gone = s.rebirth
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

-- Rule 2: what a new value part remembers of the runs of other origins. What went natively at its expiry, before the clock stepped
-- back, is no part any more.
local function seen_after(s, r)
  if s.was_gone and r.kind == 'N' and r.v ~= unit.v then return nil end
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
  if old then r.seen, r.marked, r.was_marked = seen_after(s, old), old.marked, old.was_marked end
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
  reg_set(s, typ, field, { kind = 'T', v = unit.v, seen = seen_after(s, old), marked = old.marked, was_marked = old.was_marked }, true)
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
    if old.kind == 'N' then
      if base then r.kind, r.base = 'B', base else r.kind, r.v, r.seen = '-', '', nil end -- it has expired, and the clock stepped back
    end
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
      local seen = seen_after(s, r)
      if seen then kept[name] = { kind = 'T', v = v, seen = seen, marked = r.marked or MARK } end
    end)
  end
  drop_regs(s)
  local seen = s.reg and seen_after(s, s.reg)
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
