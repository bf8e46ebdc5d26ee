--- Tell the endpoints of operators: into the feed, and each endpoint is due. Nothing where there is none, and no fault here
--- stops a message.
local function feed(type, uid, message, at, data)
  if redis.pcall('EXISTS', K.endpoints) ~= 1 then return end
  redis.pcall('XADD', K.feed, 'MAXLEN', '~', 100000, '*', 'type', type, 'uid', uid, 'message', message, 'at', at,
    'data', data or '')
  local endpoints = redis.pcall('SMEMBERS', K.endpoints)
  for _, endpoint in ipairs(endpoints.err and {} or endpoints) do redis.pcall('ZADD', K.due_endpoints, 'LT', 0, endpoint) end
end
