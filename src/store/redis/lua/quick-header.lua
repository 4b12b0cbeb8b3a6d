-- The header of the one key of a quick unit (quick.lua): read, judged, written.

local ARGV = ARGV

-- The header of the unit's key: versions and `at` as text, `type` and `count` too; `reg` with its `|`.
local slot, large, noregs, marked, clear, kind, typ, ev, at, reach, newest, count, flags, reg

local function resolve(field, last)
  if field == '=' then return last end
  return field == '+' and above(last) or field
end

local function load_general(text)
  noregs = false
  clear, kind, typ, count, flags, reg = match(text, '^.(%x*),(%x+),(%d?),,,,,,(%d*),(%a*)(.*)$') -- most have no more
  if clear then
    newest = kind
    return kind >= clear
  end
  local k, e, r, n
  clear, k, typ, e, at, r, n, count, flags, reg =
    match(text, '^.(%x*),([%x=+]*),(%d?),([%x=+]*),(%x*),,([%x=+]*),([%x=+]*),(%d*),(%a*)(.*)$')
  if not clear then return false end
  local last = clear
  kind = resolve(k, last)
  if kind ~= '' then last = kind end
  ev = resolve(e, last)
  if ev ~= '' then last = ev end
  reach = resolve(r, last)
  newest = n ~= '' and resolve(n, reach ~= '' and reach or last) or last
  if clear > newest then newest = clear end
  if kind > newest then newest = kind end
  if reach > newest then newest = reach end
  return kind >= clear and (ev == '' or ev >= clear) and (reach == '' or reach >= clear)
end

-- Whether the key's header is one for this file. With an expiry: one that shows and has not fired.
local function load(key, tag)
  if #key > 64 then return false end
  slot = 'mqkv:{' .. tag .. '}'
  local text = call('HGET', slot, key)
  large = text == 'L'
  if large then text = call('HGET', slot .. '.', key) end
  clear, kind, typ, ev, at, reach, count, flags, reg = '', '', '', '', '', '', '', '', ''
  newest, noregs, marked = '', true, false
  if not text then return not large and call('EXISTS', key) == 0 end
  local form = byte(text)
  if form >= 97 then marked, form = true, form - 32 end
  if form == 71 then
    if not load_general(text) then return false end
  else
    clear = sub(text, 2, 25)
    newest = clear
    if form == 68 then return true end
    kind, typ, reg = clear, '1', '|1V' .. clear
    if form == 80 then return true end
    ev, at, reach = clear, sub(text, 26), above(clear)
    newest = reach
  end
  if at == '' then return true end
  if at <= now_hex or (kind >= reach and kind >= at .. '000000000000') then return false end
  return call('EXISTS', key) == 1
end

-- A version as it stands behind `last`, the one before it in the header.
local function short(v, last)
  if v == last then return '=' end
  if last ~= '' and sub(v, 1, 16) == sub(last, 1, 16) and v == above(last) then return '+' end
  return v
end

local function long_text()
  local last, k, e, r, n = clear, kind, ev, reach, newest
  if k ~= '' then k, last = short(k, last), k end
  if e ~= '' then e, last = short(e, last), e end
  if r ~= '' then r, last = short(r, last), r end
  if n ~= '' then n = short(n, last) end
  return (marked and 'g' or 'G') .. clear .. ',' .. k .. ',' .. typ .. ',' .. e .. ',' .. at .. ',,' .. r .. ',' .. n
    .. ',' .. count .. ',' .. flags .. reg
end

local function store(key)
  local text
  if clear == '' and ev == '' and reach == '' and newest == '' then
    text = (marked and 'g,' or 'G,') .. kind .. ',' .. typ .. ',,,,,,' .. count .. ',' .. flags .. reg
  else
    text = long_text()
  end
  if #text <= 64 then
    call('HSET', slot, key, text)
    if large then call('HDEL', slot .. '.', key) end
  else
    call('HSET', slot .. '.', key, text)
    if not large then call('HSET', slot, key, 'L') end
  end
end

-- What every effect with version v leaves: `is_put`: also the kind's.
local function changed(v, is_put)
  marked = marked or MARK
  if is_put then kind = v end
  if at ~= '' then reach = above(v) end
  newest = (is_put or at ~= '') and '' or v
end

-- So many more of the key's registers are marked.
local function counted(more)
  if more == 0 then return end
  local sum = (tonumber(count) or 0) + more
  count = sum == 0 and '' or format('%.0f', sum)
end

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- The parts of a register's text; nothing: it is none.
local function parse(text)
  local form = byte(text)
  if form == 86 or form == 118 then return 'N', sub(text, 2), '', '', '' end
  if form == 84 or form == 116 then return 'T', sub(text, 2), '', '', '' end
  return match(text, '^.(.);(%x*);([^;]*);([^;]*);(.*)$')
end

-- The newest version of the register in the header counts too.
local function saw(v, runs)
  if v > newest then newest = v end
  for run in gmatch(runs, '(%x+):%x+:') do if run > newest then newest = run end end
end
