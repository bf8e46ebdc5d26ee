--- Make a packed message what it was before.
-- @flags allow-oom
-- @keys message story packed
-- @args id listed value at_ms count:number more...
-- @returns 1; 0 where it is not packed any more, or another value
-- @repeat it is not packed then
--
-- `more`: `count` names and values of fields, then the events of the story. Its place among the packed ones is kept for it.
if redis.call('GET', packed) ~= value then return 0 end
local lives = redis.call('PTTL', packed)
redis.call('SADD', K.still_listed, listed)
redis.call('HSET', message, unpack(more, 1, count))
redis.call('RPUSH', story, unpack(more, count + 1))
redis.call('PEXPIRE', message, lives)
redis.call('PEXPIRE', story, lives)
redis.call('ZADD', K.messages, at_ms, id)
redis.call('DEL', packed)
return 1
