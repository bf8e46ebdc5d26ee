--- Make this store ours: until then it takes no message.
-- @keys
-- @args id now_ms server
-- @returns 1, or 0 when it was ours already
-- @repeat it is ours already
-- @include mine
if mine(now_ms) then return 0 end
redis.call('HSET', K.store, 'id', id, 'epoch', 1, 'made_ms', now_ms, 'server', server, 'known', 1)
return 1
