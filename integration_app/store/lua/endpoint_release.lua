--- Give the lease of an endpoint back: due at `next_ms` ('': nothing left), at once where something came meanwhile.
-- @flags allow-oom
-- @keys lease
-- @args endpoint token cursor next_ms now_ms is_paused
-- @returns 1, 0 when the lease was lost
-- @repeat the lease is gone: nothing is changed
if redis.call('GET', lease) ~= token then return 0 end
redis.call('DEL', lease)
if is_paused ~= '1' and #redis.call('XRANGE', K.feed, '(' .. cursor, '+', 'COUNT', 1) > 0 then next_ms = now_ms end
if next_ms == '' then redis.call('ZREM', K.due_endpoints, endpoint)
else redis.call('ZADD', K.due_endpoints, next_ms, endpoint) end
return 1
