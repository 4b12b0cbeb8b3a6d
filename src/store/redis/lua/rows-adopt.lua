-- What was written to Redis behind mqkv's back, recorded as a local write: whatever lies natively counts as written just now.

row('mqkv.adopt', function(argv)
  local s = open_key(argv[2])
  if s.foreign then
    begin(s)
    return 1
  end
  local left = call('PTTL', argv[2])
  whole_put(s)
  if left > 0 then
    expire(s, now_ms + left)
    s.native_at = s.at
  elseif left == -1 and shown_ttl(s) ~= 0 then
    expire(s, 0)
  end
  return 1
end)
