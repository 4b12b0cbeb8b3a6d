-- Keeps a fragment of a large envelope. Whoever brings the last one is to read them all, and remove them; if it does not do so
-- in time, whoever brings a fragment again.
--
-- KEYS: the hash of the envelope's fragments. ARGV: index count age claimant patience bytes      age, patience: ms
-- Result: { 1 it is new, else 0; 1 all are there and yours to read, else 0 }

local key = KEYS[1]
local is_new = call('HSETNX', key, ARGV[1], ARGV[6])
if call('PTTL', key) == -1 then call('PEXPIRE', key, ARGV[3]) end
local claim = call('HGET', key, 'claim')
local length = call('HLEN', key) - (claim and 1 or 0)
if length < tonumber(ARGV[2]) then return { is_new, 0 } end
if claim then
  local at, claimant = match(claim, '^(%d+) (.*)$')
  if claimant ~= ARGV[4] and now_ms - tonumber(at) < tonumber(ARGV[5]) then return { is_new, 0 } end
end
call('HSET', key, 'claim', format('%.0f', now_ms) .. ' ' .. ARGV[4])
return { is_new, 1 }
