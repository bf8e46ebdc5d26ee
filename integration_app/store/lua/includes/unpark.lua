--- Put the messages of one dead letter back into their outbox: how many.
-- @include message due
local function unpark(id, now, event)
  local delivery = K.delivery .. id
  local uid, ids = unpack(redis.call('HMGET', delivery, 'uid', 'ids'))
  if redis.call('ZREM', K.parked, id) == 0 or not uid then return 0 end
  local moved = 0
  for message in string.gmatch(ids, '%S+') do
    if redis.call('HGET', K.message .. message, 'state:' .. uid) == 'parked' then
      if needed_by_others(message, uid) ~= 'parked' then redis.call('HDEL', K.message .. message, 'keep') end
      if reopen(message, uid, for_uid(event, uid)) then moved = moved + 1 end
    end
  end
  redis.call('DEL', delivery)
  if moved > 0 then wake(uid, now) end
  return moved
end
