--- Note that a route leads to these shards too; forget it with none.
-- @flags allow-oom
-- @args route ttl is_all turn numbers...
-- @returns 1; 0 where another process moves users by now
-- @repeat they are there already
--
-- `is_all` 1: to these alone. `turn`: what we put up here before we moved users; "" for who moves nobody.
if turn ~= '' and redis.call('GET', K.mover_fence) ~= turn then return 0 end
local key = K.at .. (redis.call('HGET', K.store, 'epoch') or '') .. ':' .. route
if is_all == '1' then redis.call('DEL', key) end
if #numbers == 0 then return 1 end
redis.call('SADD', key, unpack(numbers))
redis.call('EXPIRE', key, ttl)
return 1
