--- One uid at this moment: {rows, open deliveries, gates, installation, phones, booked, ms left of the lease, epoch,
--- how often the lease was taken and not given back, when the epoch began, the newest seq that waits, whether nothing else of it is kept}.
-- Only messages behind the seq `after`; `content_max` bytes of raw contents come along, what is larger is fetched later.
-- `held`, `left`: how often the lease was taken and its ms, where the caller has just taken it.
local function look(uid, after, limit, content_max, gate_keys, held, left)
  local rows, room = {}, content_max
  local entries = redis.call('ZRANGEBYSCORE', K.outbox .. uid, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #entries, 2 do
    local message = K.message .. entries[i]
    local got = redis.call('HMGET', message, 'envelope', 'prepared', 'tried:' .. uid, 'last:' .. uid, 'epoch',
      'epoch:' .. uid, 'free:' .. uid, 'size')
    local content = false
    if not got[2] and room > 0 then
      local size = tonumber(got[8] or redis.call('HSTRLEN', message, 'content'))  -- as it is when it is opened
      if size <= room then
        content = redis.call('HGET', message, 'content')
        room = room - size
      end
    end
    table.insert(rows, {entries[i], entries[i + 1], got[1], got[2], got[3], got[4], content, got[6] or got[5], got[7]})
  end
  local open = {}
  for _, id in ipairs(redis.call('ZRANGE', K.open .. uid, 0, -1)) do
    table.insert(open, redis.call('HGETALL', K.delivery .. id))
  end
  local gates = {}
  local any_gate = redis.call('EXISTS', unpack(gate_keys)) > 0  -- nearly always there is none
  for _, key in ipairs(gate_keys) do table.insert(gates, any_gate and redis.call('HGETALL', key) or {}) end
  -- what was read is all that waits, nearly always
  local is_all = after == 0 and #entries < 2 * tonumber(limit)
  local newest = is_all and entries[#entries]
    or not is_all and redis.call('ZREVRANGE', K.outbox .. uid, 0, 0, 'WITHSCORES')[2] or false
  local waiting = is_all and #entries / 2 or redis.call('ZCARD', K.outbox .. uid)
  local epoch, epoch_ms = unpack(redis.call('HMGET', K.store, 'epoch', 'epoch_ms'))
  return {rows, open, gates, redis.call('HGETALL', K.installation .. uid),
    redis.call('SMEMBERS', K.phones .. uid), redis.call('ZSCORE', K.booked, uid), left or redis.call('PTTL', K.lease .. uid),
    epoch, held or redis.call('HGET', K.held, uid), epoch_ms, newest, redis.pcall('ZCARD', K.of .. uid) == waiting}
end
