--- Keep the prepared text and drop the raw content; further parts become messages of their own.
-- @keys message
-- @args id prepared now_ms event others...
-- @include load
-- @returns the prepared text that is kept: another worker may have been first
-- @repeat what is prepared already is returned as it is
local known = redis.call('HGET', message, 'prepared')
if known then return known end
local envelope, epoch = unpack(redis.call('HMGET', message, 'envelope', 'epoch'))
if not envelope then return prepared end
redis.call('HSET', message, 'prepared', prepared, 'parts', #others + 1)
redis.call('HDEL', message, 'content')
local fields = redis.call('HGETALL', message)
for number, text in ipairs(others) do
  local part, pending = id .. 'p' .. (number + 1), 0
  redis.call('HSET', K.message .. part, 'size', #text)
  local seq = redis.call('INCR', K.seq)
  for i = 1, #fields, 2 do
    local uid, state = string.match(fields[i], '^state:(.*)'), fields[i + 1]
    if uid and (state == 'waiting' or state == 'quarantined') then
      redis.call('HSET', K.message .. part, fields[i], state)
      local free = redis.call('HGET', message, 'free:' .. uid)
      if free then redis.call('HSET', K.message .. part, 'free:' .. uid, free) end
      redis.call('ZADD', K.of .. uid, seq, part)
      weigh(part, uid, state == 'quarantined' and 'held' or 'bytes', 1)
      pending = pending + 1
      if state == 'waiting' then
        redis.call('ZADD', K.outbox .. uid, seq, part)
      else
        redis.call('ZADD', K.quarantine, now_ms, part .. ' ' .. uid)
      end
    end
  end
  redis.call('HSET', K.message .. part, 'envelope', envelope, 'prepared', text, 'seq', seq, 'pending', pending,
    'epoch', epoch or 0)
  redis.call('RPUSH', K.story .. part, event)
  redis.call('ZADD', K.messages, now_ms, part)
end
return prepared
