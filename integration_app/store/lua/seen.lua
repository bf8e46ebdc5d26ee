--- Omi shows the conversation of a delivery. An open one of unknown outcome is settled by the next drain, without a look;
--- a dead letter has arrived.
-- @flags allow-oom
-- @keys delivery open
-- @args uid id keep now_ms event
-- @returns 1 where that was news, else 0
-- @repeat it is settled, or marked, already
-- @include message due feed
if redis.call('EXISTS', delivery) == 0 then return 0 end
if redis.call('ZSCORE', open, id) then
  local news = redis.call('HSETNX', delivery, 'seen', 1)
  if news == 1 and redis.call('HGET', delivery, 'state') == 'unknown' then wake(uid, now_ms) end
  return news
end
if redis.call('ZREM', K.parked, id) == 0 then return 0 end
redis.call('HSET', delivery, 'state', 'done')
redis.call('EXPIRE', delivery, keep)
for message in string.gmatch(redis.call('HGET', delivery, 'ids'), '%S+') do
  local key = K.message .. message
  if redis.call('HGET', key, 'state:' .. uid) == 'parked' then
    redis.call('HSET', key, 'state:' .. uid, 'done')
    tell(message, event)
    feed('message.delivered', uid, message, now_ms)
    if needed_by_others(message, uid) ~= 'parked' then
      redis.call('HSET', key, 'keep', keep)
      if tonumber(redis.call('HGET', key, 'pending') or 0) <= 0 then
        redis.call('EXPIRE', key, keep)
        redis.call('EXPIRE', K.story .. message, keep)
      end
    end
  end
end
return 1
