-- What a key shows, and letting go of what does not any more: src/crdt/view.ts and free.ts.

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
  if s.newest < low or (s.newest == s.reach and s.reach <= low) then
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
