-- The end of a command (rule 8, native TTLs) and of a unit (texts, marks, what was touched).

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
