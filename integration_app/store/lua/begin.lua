--- Write a delivery down before its call, renew the lease, keep texts that are not kept yet.
-- @keys lease delivery open settling
-- @args uid token lease_ms:number now_ms:number id data seq now_iso settling_ms:number settled_iso is_anew kind event
-- @args count:number more...
-- @returns 0 done, -1 the lease is lost, else the time (ms) before which no call may be made: nothing is written
-- @repeat an open delivery of this id is ours already: the first answer was lost
-- @include admit message
--
-- `is_anew` 1: the retry horizon begins with this try. `kind` '': no call follows, so nothing is to be admitted.
-- `more`: `count` message ids, then for each its prepared text, or '' where that is kept already.
if redis.call('GET', lease) ~= token then return -1 end
if redis.call('ZSCORE', open, id) then
  redis.call('PEXPIRE', lease, lease_ms)  -- a write on this connection: WAIT covers no other
  return 0
end
if kind ~= '' then
  local later = admit(uid, kind, now_ms)
  if later > 0 then return later end
end
redis.call('PEXPIRE', lease, lease_ms)
redis.call('ZADD', K.due, string.format('%d', now_ms + lease_ms), uid)
redis.call('HSET', delivery, 'data', data, 'state', 'sending', 'uid', uid, 'ids', table.concat(more, ' ', 1, count))
if kind == '' then redis.call('HSET', delivery, 'set_aside', 1) end
if settling_ms > 0 then redis.call('SET', settling, settled_iso, 'PX', settling_ms) end
redis.call('ZADD', open, seq, id)
for i = 1, count do
  local message, text = K.message .. more[i], more[i + count]
  local tried, prepared = unpack(redis.call('HMGET', message, 'tried:' .. uid, 'prepared'))
  local fields = {'state:' .. uid, 'sending', 'last:' .. uid, now_ms}
  local function note(name, value)
    table.insert(fields, name)
    table.insert(fields, value)
  end
  if is_anew == '1' or not tried then note('tried:' .. uid, now_iso) end
  if text ~= '' and not prepared then
    note('prepared', text)
    redis.call('HDEL', message, 'content')
  end
  redis.call('HSET', message, unpack(fields))
  if event ~= '' then tell(more[i], event) end
end
return 0
