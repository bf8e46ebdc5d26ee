--- Deliver a held message like any other.
-- @keys message
-- @args id uid now_ms event
-- @returns 1, or 0 when it is not held for this uid
-- @repeat it is not held any more
-- @include message due
if redis.call('HGET', message, 'state:' .. uid) ~= 'quarantined' then return 0 end
redis.call('HSET', message, 'state:' .. uid, 'waiting', 'free:' .. uid, 1)  -- no rule holds it once more
weigh(id, uid, 'held', -1)
weigh(id, uid, 'bytes', 1)
redis.call('ZREM', K.quarantine, id .. ' ' .. uid)
redis.call('ZADD', K.outbox .. uid, redis.call('HGET', message, 'seq'), id)
tell(id, event)
wake(uid, now_ms)
return 1
