-- The registers of a key: read, held until the unit ends, written, visited.

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
