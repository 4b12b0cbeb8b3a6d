-- What every script begins with: the only clock, and versions as text.
-- A version is 24 lower-case hex digits (ms 12, counter 4, origin 8), none is ''; as text they compare as versions do in
-- every locale. The two lines that follow are what the test harness replaces (withTestClock in ../scripts.ts).
local TIME = redis.call('TIME')
local NATIVE_TTL = true
local call, try = redis.call, redis.pcall
if not redis.REDIS_VERSION_NUM and redis.replicate_commands then redis.replicate_commands() end
local sub, byte, format, floor, match, gmatch = string.sub, string.byte, string.format, math.floor, string.match, string.gmatch
local now_ms = TIME[1] * 1000 + floor(TIME[2] / 1000)
local now_hex = format('%012x', now_ms)
-- Settings of this call; the main part fills them in: this store's origin, whether writes are marked for the outbox,
-- whether replies are RESP3, whether undeclared keys are refused.
local ORIGIN, MARK, RESP3, CLUSTER, MAX_VALUE_BYTES = '00000001', false, false, false, 536870912
local BASE -- (now, 0, origin)

-- The boundary just above a version.
local function above(v)
  return sub(v, 1, 16) .. format('%08x', tonumber(sub(v, 17), 16) + 1)
end

-- The version of a unit whose keys hold nothing newer than `newest`.
local function next_version(newest)
  if BASE > newest then return BASE end
  local counter = tonumber(sub(newest, 13, 16), 16) + 1
  if counter < 65536 then return sub(newest, 1, 12) .. format('%04x', counter) .. ORIGIN end
  return format('%012x', tonumber(sub(newest, 1, 12), 16) + 1) .. '0000' .. ORIGIN
end
