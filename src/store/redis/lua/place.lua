-- Where headers lie: keys of at most 64 bytes with headers of at most 64 bytes in the slot's hash, which so stays compact; others
-- in the large one beside it, and a short key with a long header leaves the stub 'L'.

local function load_header(slot, key)
  if #key > 64 then return call('HGET', slot .. '.', key), true end
  local text = call('HGET', slot, key)
  if text == 'L' then return call('HGET', slot .. '.', key), true end
  return text, false
end

-- `large`: as load_header said, of what lies there until now.
local function save_header(slot, key, text, large)
  if #key <= 64 and #text <= 64 then
    call('HSET', slot, key, text)
    if large then call('HDEL', slot .. '.', key) end
    return
  end
  call('HSET', slot .. '.', key, text)
  if not large and #key <= 64 then call('HSET', slot, key, 'L') end
end

local function drop_header(slot, key)
  if #key <= 64 then call('HDEL', slot, key) end
  call('HDEL', slot .. '.', key)
end
