-- Sets notes, all or none.
--
-- KEYS: the hash of notes. ARGV: most bytes, what a note takes beside its own, then name value*      value: '' remove
-- Result: 0, or when there would be more than `most` bytes, these. The field '' holds the bytes of all notes.

local notes, most, more = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local bytes = tonumber(call('HGET', notes, '') or '0')

local function size(name, value)
  return value and value ~= '' and #name + #value + more or 0
end

for i = 3, #ARGV, 2 do
  bytes = bytes + size(ARGV[i], ARGV[i + 1]) - size(ARGV[i], call('HGET', notes, ARGV[i]))
end
if bytes > most then return bytes end
call('HSET', notes, '', format('%.0f', bytes))
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then call('HDEL', notes, ARGV[i]) else call('HSET', notes, ARGV[i], ARGV[i + 1]) end
end
return 0
