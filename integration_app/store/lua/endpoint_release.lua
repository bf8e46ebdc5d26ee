--- Give the lease of an endpoint back, due at once where there is anything new, else when something is to be tried again; not
--- before its rest is over.
-- @flags allow-oom
-- @keys lease endpoint_hash again
-- @args endpoint token now_ms:number
-- @returns 1, 0 when the lease was lost
-- @repeat the lease is gone: nothing is changed
if redis.call('GET', lease) ~= token then return 0 end
redis.call('DEL', lease)
local is_on, cursor, paused = unpack(redis.call('HMGET', endpoint_hash, 'is_on', 'cursor', 'paused_ms'))
local at = redis.call('ZRANGE', again, 0, 0, 'WITHSCORES')[2]
if cursor and #redis.call('XRANGE', K.feed, '(' .. cursor, '+', 'COUNT', 1) > 0 then at = now_ms end
if is_on ~= '1' or not at then
  redis.call('ZREM', K.due_endpoints, endpoint)
else
  redis.call('ZADD', K.due_endpoints, string.format('%d', math.max(at, paused or 0)), endpoint)
end
return 1
