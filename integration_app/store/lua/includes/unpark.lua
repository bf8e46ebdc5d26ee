--- Put the messages of one dead letter back: how many. Nothing is sent before Omi has been looked at: a delivery that was
--- called, and not refused, is of unknown outcome again; messages that were set aside without a call are matched one
--- by one (epoch 0).
-- `blind` '1': an operator wants them sent without a look.
-- @include message due
local function unpark(id, now, event, blind)
  local delivery = K.delivery .. id
  local uid, ids, data, cause = unpack(redis.call('HMGET', delivery, 'uid', 'ids', 'data', 'cause'))
  local set_aside = redis.call('HEXISTS', delivery, 'set_aside') == 1 or string.find(data or '', '"body":{}', 1, true)
  if redis.call('ZREM', K.parked, id) == 0 or not uid then return 0 end
  local called = blind ~= '1' and cause ~= 'refused' and not set_aside
  local moved, first = 0, nil
  for message in string.gmatch(ids, '%S+') do
    if redis.call('HGET', K.message .. message, 'state:' .. uid) == 'parked' then
      if needed_by_others(message, uid) ~= 'parked' then redis.call('HDEL', K.message .. message, 'keep') end
      local seq = reopen(message, uid, called and 'sending' or 'waiting', for_uid(event, uid))
      if seq then
        moved, first = moved + 1, first or seq
        if not called and blind ~= '1' then redis.call('HSET', K.message .. message, 'epoch', 0) end
      end
    end
  end
  if called and first then
    redis.call('HSET', delivery, 'state', 'unknown', 'look_at', '', 'again_ms', now)
    redis.call('PERSIST', delivery)
    redis.call('ZADD', K.open .. uid, first, id)
  else
    redis.call('DEL', delivery)
  end
  if moved > 0 then wake(uid, now) end
  return moved
end
