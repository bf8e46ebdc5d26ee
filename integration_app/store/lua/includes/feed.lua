--- Tell the endpoints of operators: into the feed, and each that is on is due, not before its rest is over. Nothing where
--- there is none. No fault here stops a message: it is counted.
local function feed(kind, uid, message, at, data)
  local endpoints = redis.pcall('SMEMBERS', K.endpoints)
  if endpoints.err or #endpoints == 0 then return end
  local added = redis.pcall('XADD', K.feed, 'MAXLEN', '~', 100000, '*', 'type', kind, 'uid', uid, 'message', message,
    'at', at, 'data', data or '')
  if type(added) == 'table' then redis.pcall('HINCRBY', K.counters, 'feed:failed', 1) end
  for _, endpoint in ipairs(endpoints) do
    local known = redis.pcall('HMGET', K.endpoint .. endpoint, 'is_on', 'paused_ms')
    if known[1] == '1' then redis.pcall('ZADD', K.due_endpoints, 'LT', known[2] or 0, endpoint) end
  end
end
