-- The general units of the write script: C (a command), T (a transaction), and plain SETs on keys that need all rules.

local function arguments(at)
  local argc = tonumber(ARGV[at])
  local argv = {}
  for j = 1, argc do argv[j] = ARGV[at + j] end
  return argv, at + argc + 1
end

-- Runs a unit over keys (key tag)* of `list` from `at`. One that fails in mqkv's own code must not take the units behind it along.
local function guarded(list, at, nkeys, run)
  local out = { false }
  local ok, failure = pcall(function()
    unit_begin(list, at, nkeys)
    local reply = run()
    out[1] = reply == nil and false or reply
    unit_end(out)
  end)
  if ok then return out end
  return caught(failure)
end

local function command_unit(i)
  local nkeys = tonumber(ARGV[i + 1])
  local argv, after = arguments(i + 2 + 2 * nkeys)
  return guarded(ARGV, i + 2, nkeys, function() return run_command(argv) end), after
end

-- A fired expiry counts as a version of its own, as when it has been folded.
local function is_unchanged(key, version)
  local s = key_state(key)
  local low = floor_of(s)
  return (low > s.newest and low or s.newest) == version
end

local function transaction_unit(i)
  local nkeys = tonumber(ARGV[i + 1])
  local at = i + 2 + 2 * nkeys
  local ncommands, nwatch = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local watches = at + 2
  at = watches + 2 * nwatch
  local commands = {}
  for j = 1, ncommands do commands[j], at = arguments(at) end
  local function run()
    for j = watches, watches + 2 * nwatch - 1, 2 do
      if not is_unchanged(ARGV[j], ARGV[j + 1]) then return false end
    end
    local replies = {}
    for j, argv in ipairs(commands) do replies[j] = run_command(argv) end
    return replies
  end
  return guarded(ARGV, i + 2, nkeys, run), at
end

local function plain_unit(tag, key, value, at)
  local argv = { 'set', key, value }
  if at ~= 0 then argv[4], argv[5] = 'PXAT', format('%.0f', at) end
  local out = guarded({ key, tag }, 1, 1, function() return run_command(argv) end)
  return not out.err and is_error(out[1]) and out[1] or out
end

-- What a command on one key failed with in quick.lua.
local function failed_unit(i, failure)
  local _, after = arguments(i + 4)
  return caught(failure), after
end

return function(op, i, ...)
  if op == 'P' then return plain_unit(i, ...) end
  if op == 'C' then return command_unit(i) end
  if op == 'T' then return transaction_unit(i) end
  if op == 'E' then return failed_unit(i, ...) end
  error('unknown unit ' .. tostring(op))
end
