--- Begin a new epoch by hand: the store was restored from a copy.
-- @args now_ms
-- @returns the new epoch; nil when the store is not ours
-- @repeat one epoch too many, which costs a look into Omi
-- @include mine
if not mine(now_ms) then return false end
redis.call('HSET', K.store, 'epoch_ms', now_ms)
return tostring(redis.call('HINCRBY', K.store, 'epoch', 1))
