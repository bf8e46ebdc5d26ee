--- Record what became of a delivery: in it, in its messages and their stories, in counters, quota and failure streaks;
--- and give the lease back where nothing else is to be done.
-- @flags allow-oom
-- @keys lease delivery open settling rates quota
-- @args uid token id state message_state reason cause look_at is_final keep now_ms event is_untried
-- @args settling_ms:number now_iso settled_iso counts is_used is_answered last_seq ids...
-- @returns 0 the lease is lost, 1 recorded
-- @repeat a delivery that is not open any more was settled before
-- @include count quota answered message release feed
--
-- `is_untried` 1: the time so far does not count against the retry horizon. `counts`: names, a space behind each.
-- `last_seq` '': the lease is kept; else the newest message that the caller has seen.
if redis.call('GET', lease) ~= token then return 0 end
if not redis.call('ZSCORE', open, id) then return 1 end
if state == 'unknown' or state == 'parked' then
  redis.call('HSET', delivery, 'state', state, 'reason', reason, 'cause', cause, 'look_at', look_at)
end
if state == 'unknown' then
  if redis.call('HSETNX', delivery, 'unknown_at', now_iso) == 1 and settling_ms > 0 then
    redis.call('SET', settling, settled_iso, 'PX', settling_ms)
  end
else
  redis.call('ZREM', open, id)
  -- what has ended stands in the stories; a dead letter is kept as it is
  if state == 'parked' then redis.call('EXPIRE', delivery, keep) else redis.call('DEL', delivery) end
end
if state == 'parked' then redis.call('ZADD', K.parked, now_ms, id) end
for _, message in ipairs(ids) do
  -- it may have been erased while its delivery was a dead letter
  local is_there = redis.call('EXISTS', K.message .. message) == 1
  if is_there and is_untried == '1' then redis.call('HDEL', K.message .. message, 'tried:' .. uid) end
  if not is_there then
    redis.call('ZREM', K.outbox .. uid, message)
  elseif is_final == '1' then
    finish(message, uid, message_state, event, keep)
    if message_state == 'done' then feed('message.delivered', uid, message, now_ms)
    elseif message_state == 'parked' then feed('message.parked', uid, message, now_ms) end
  else
    redis.call('HSET', K.message .. message, 'state:' .. uid, message_state)
    tell(message, event)
  end
end
for name, by in string.gmatch(counts, '(%S+)=(%d+) ') do count(rates, name, by) end
if is_used == '1' then use_quota(quota) end
if is_answered == '1' then answered() end
if last_seq ~= '' then
  local left = redis.call('EXISTS', open, K.outbox .. uid)
  release(uid, left > 0 and now_ms or '', last_seq, now_ms)
end
return 1
