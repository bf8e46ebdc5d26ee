--- A rule of its user's holds a waiting message, as if its sender were not believed.
-- @keys message lease
-- @args id uid token now_ms event
-- @returns 1, 0 when it does not wait any more, -1 when the lease was lost
-- @repeat it does not wait any more
-- @include message feed
if redis.call('GET', lease) ~= token then return -1 end
if redis.call('HGET', message, 'state:' .. uid) ~= 'waiting' then return 0 end
redis.call('HSET', message, 'state:' .. uid, 'quarantined')
weigh(id, uid, 'bytes', -1)
weigh(id, uid, 'held', 1)
redis.call('ZREM', K.outbox .. uid, id)
redis.call('ZADD', K.quarantine, now_ms, id .. ' ' .. uid)
tell(id, event)
feed('message.held', uid, id, now_ms)
return 1
