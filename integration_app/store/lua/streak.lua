--- One more call in a row that ended badly; a probe is over.
-- @keys calls uids
-- @args uid ttl
-- @returns {calls in a row, uids among them}
-- @repeat a second run counts once too often, which closes a gate a call earlier
local count = redis.call('INCR', calls)
redis.call('SADD', uids, uid)
redis.call('EXPIRE', calls, ttl)
redis.call('EXPIRE', uids, ttl)
redis.call('DEL', K.probing)
return {count, redis.call('SCARD', uids)}
