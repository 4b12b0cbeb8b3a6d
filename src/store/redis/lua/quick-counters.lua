-- Quick additions, to strings and hash fields (quick.lua).

local function is_small(text)
  return #text <= 14 and match(text, '^%-?%d+$') ~= nil
end

local function are_small(list)
  for total in gmatch(list .. ',', ':([^:,]*),') do if not is_small(total) then return false end end
  return true
end

-- The same for a register with one run, of this origin, and no seen, as most have.
local function added_to_one(text, increment, is_inline)
  local k, v, at_, start, total, base = match(text, '^[Rr](.);(%x*);;(%x+):(%x+):(%-?%d+);(.*)$')
  if not k or sub(at_, 17, 24) ~= ORIGIN or #total > 14 or (k == 'B' and not is_small(base)) then return nil end
  if is_inline then
    if at_ > newest then newest = at_ end
    if v > newest then newest = v end
  end
  local new = next_version(newest)
  return k .. ';' .. v .. ';;' .. new .. ':' .. start .. ':' .. format('%.0f', total + increment) .. ';' .. base, new
end

-- INCRBY, HINCRBY on a register (text or nil): what stands behind its mark, given the native text before. Nothing: not for
-- this file. Small totals only, so that sums stay exact and native and sum agree.
local function added(text, base, increment, is_inline)
  local k, v, seen, runs, own_base = '-', '', '', '', ''
  if text then
    local body, new = added_to_one(text, increment, is_inline)
    if body then return body, new end
    k, v, seen, runs, own_base = parse(text)
    if is_inline then saw(v, runs) end
    if k == 'N' then
      if type(base) ~= 'string' then return nil end
      k, own_base = 'B', base
    end
  end
  if #runs + #seen > 1000 or not are_small(seen) or not are_small(runs) or (k == 'B' and not is_small(own_base)) then return nil end
  local new = next_version(newest)
  if runs == '' then
    runs = new .. ':' .. new .. ':' .. increment
  else
    local parts, own = {}, nil
    for run in gmatch(runs, '[^,]+') do
      parts[#parts + 1] = run
      if sub(run, 17, 24) == ORIGIN then own = #parts end
    end
    if not own then return nil end
    local start, total = match(parts[own], '^%x+:(%x+):(.*)$')
    parts[own] = new .. ':' .. start .. ':' .. format('%.0f', total + increment)
    runs = table.concat(parts, ',')
  end
  return k .. ';' .. v .. ';' .. seen .. ';' .. runs .. ';' .. own_base, new
end

local function amount(text, sign)
  if #text > 14 or not (match(text, '^%-?[1-9]%d*$') or text == '0') then return nil end
  return format('%.0f', sign * tonumber(text) + 0)
end

local function integer(reply, ...)
  if reply < 9007199254740992 and reply > -9007199254740992 then return reply end
  return { ok = '\1I' .. call(...) }
end

-- INCR, DECR, INCRBY, DECRBY. `native`: INCRBY's argument.
local function increment_string(key, increment)
  if not increment or (typ ~= '' and typ ~= '1') then return nil end
  local text = nil
  if reg ~= '' then
    if sub(reg, 2, 2) ~= '1' then return nil end
    text = sub(reg, 3)
  elseif not noregs then return nil end
  local base = text and byte(text) == 86 and try('GET', key)
  local body, v = added(text, base, increment, true)
  if not body then return nil end
  local reply = try('INCRBY', key, increment)
  if failed(reply) then return nil end
  reg, typ = '|1R' .. body, '1'
  changed(v, true)
  store(key)
  return { integer(reply, 'GET', key), v, key, 1, '1' }
end

local function increment_field(key, field, increment)
  if not increment or (typ ~= '' and typ ~= '2') or reg ~= '' then return nil end
  local rkey, name = slot .. ':' .. key, '2' .. field
  local text = not noregs and call('HGET', rkey, name) or nil
  local form = text and byte(text)
  local base = (form == 86 or form == 118) and try('HGET', key, field)
  local body, v = added(text, base, increment, false)
  if not body then return nil end
  local reply = try('HINCRBY', key, field, increment)
  if failed(reply) then return nil end
  local was = form and form >= 97
  call('HSET', rkey, name, ((MARK or was) and 'r' or 'R') .. body)
  if MARK and not was then counted(1) end
  if not string.find(flags, 's', 1, true) then flags = flags .. 's' end
  typ = '2'
  changed(v, true)
  store(key)
  return { integer(reply, 'HGET', key, field), v, key, 1, name }
end

return function(name, key, i, _, argc)
  if name == 'incr' then return argc == 2 and increment_string(key, '1') end
  if name == 'decr' then return argc == 2 and increment_string(key, '-1') end
  if name == 'incrby' then return argc == 3 and increment_string(key, amount(ARGV[i + 7], 1)) end
  if name == 'decrby' then return argc == 3 and increment_string(key, amount(ARGV[i + 7], -1)) end
  return argc == 4 and increment_field(key, ARGV[i + 7], amount(ARGV[i + 8], 1))
end
