--- Note in a message that Omi shows it, and what Omi made of it.
-- @keys message story
-- @args uid event made
-- @returns 1, or 0 when the message is gone, or this user with it
-- @repeat told twice
if redis.call('HEXISTS', message, 'state:' .. uid) == 0 then return 0 end
if made ~= '' then redis.call('HSET', message, 'made:' .. uid, made) end
redis.call('RPUSHX', story, event)
return 1
