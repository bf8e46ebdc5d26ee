--- Drop one dead letter, and the text that only it needs.
-- @flags allow-oom
-- @keys delivery
-- @args id event
-- @returns 1, or 0 when there is no such dead letter
-- @repeat it is no dead letter any more
-- @include message
local uid, ids = unpack(redis.call('HMGET', delivery, 'uid', 'ids'))
if redis.call('ZREM', K.parked, id) == 0 or not uid then return 0 end
for message in string.gmatch(ids, '%S+') do
  local key = K.message .. message
  if redis.call('HGET', key, 'state:' .. uid) == 'parked' then
    redis.call('HSET', key, 'state:' .. uid, 'dropped')
    tell(message, for_uid(event, uid))
    local other = needed_by_others(message, uid)
    if other ~= 'parked' then redis.call('HDEL', key, 'keep') end
    if not other then redis.call('HDEL', key, 'prepared', 'content') end
  end
end
redis.call('DEL', delivery)
return 1
