-- Removes everything from this node's database; what names the store stays where it lies here.
--
-- KEYS: none, or mqkv:meta, mqkv:tags where they lie here. ARGV: the new epoch
-- Result: 1

local meta = KEYS[1] and call('HMGET', KEYS[1], 'format', 'id', 'site')
local tags = KEYS[2] and call('GET', KEYS[2])
call('FLUSHDB')
if meta and meta[1] then
  call('HSET', KEYS[1], 'format', meta[1], 'id', meta[2], 'site', meta[3], 'epoch', ARGV[1], 'salt', sub(ARGV[1], 1, 8), 'discarded', ARGV[1])
end
if tags then call('SET', KEYS[2], tags) end
return 1
