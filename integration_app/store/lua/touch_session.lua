--- Note that a session was used; one that was ended meanwhile stays ended.
-- @keys sessions
-- @args id row
-- @returns nothing
-- @repeat the same row is written again
if redis.call('HEXISTS', sessions, id) == 1 then redis.call('HSET', sessions, id, row) end
