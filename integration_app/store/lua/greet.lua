--- Look whether the server is the one that was here before; a new epoch where it is not, for it may have lost writes.
-- @flags allow-oom
-- @args server now_ms
-- @returns the epoch; nil when the store is not ours
-- @repeat the server is known then
-- @include mine
local epoch = mine(now_ms)
if not epoch then return false end
local before = redis.call('HGET', K.store, 'server')
if before == server then return epoch end
redis.call('HSET', K.store, 'server', server)
if not before then return epoch end
redis.call('HSET', K.store, 'epoch_ms', now_ms)
return tostring(redis.call('HINCRBY', K.store, 'epoch', 1))
