--- Which shards routes lead to, as far as this store has been told in its present epoch: after a failover it asks anew.
-- @flags no-writes allow-oom
-- @args routes...
-- @returns for each route the numbers of shards, none where it does not know
-- @repeat it reads
local epoch, found = redis.call('HGET', K.store, 'epoch') or '', {}
for i, route in ipairs(routes) do found[i] = redis.call('SMEMBERS', K.at .. epoch .. ':' .. route) end
return found
