--- Put one value in the place of a message's hash and story, where neither has changed since they were read.
-- @flags allow-oom
-- @keys message story packed unpacked
-- @args id listed digest value
-- @returns 1; 0 where it has changed, is about to, or does not expire
-- @repeat it is packed then
local lives = redis.call('PTTL', message)
if lives <= 0 or redis.call('EXISTS', unpacked) == 1 then return 0 end
local read = redis.call('HGETALL', message)
for _, row in ipairs(redis.call('LRANGE', story, 0, -1)) do read[#read + 1] = row end
if redis.sha1hex(table.concat(read, '\0')) ~= digest then return 0 end
redis.call('SET', packed, value, 'PX', lives)
redis.call('DEL', message, story)
redis.call('ZREM', K.messages, id)
redis.call('RPUSH', K.packed_ids, listed)
return 1
