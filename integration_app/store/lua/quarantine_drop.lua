--- Never deliver a held message to this uid, and forget its words.
-- @flags allow-oom
-- @keys message
-- @args id uid keep event
-- @returns 1, or 0 when it is not held for this uid
-- @repeat it is not held any more
-- @include message
redis.call('ZREM', K.quarantine, id .. ' ' .. uid)
if redis.call('HGET', message, 'state:' .. uid) ~= 'quarantined' then return 0 end
finish(id, uid, 'dropped', event, keep)
if not kept_for_others(id, uid) then redis.call('HDEL', message, 'content', 'prepared') end
return 1
