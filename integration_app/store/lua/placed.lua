--- Note that a route leads to these shards too; forget it with none.
-- @flags allow-oom
-- @args route ttl is_all numbers...
-- @returns 1
-- @repeat they are there already
--
-- `is_all` 1: to these alone.
local key = K.at .. (redis.call('HGET', K.store, 'epoch') or '') .. ':' .. route
if is_all == '1' then redis.call('DEL', key) end
if #numbers == 0 then return 1 end
redis.call('SADD', key, unpack(numbers))
redis.call('EXPIRE', key, ttl)
return 1
