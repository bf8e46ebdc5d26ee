--- Put another value in the place of one that has not changed meanwhile.
-- @flags allow-oom
-- @keys key
-- @args field before after
-- @returns 1, or 0 when it has changed
-- @repeat it has changed
if redis.call('HGET', key, field) ~= before then return 0 end
redis.call('HSET', key, field, after)
return 1
