--- A message's end, and its return: the only place where state, story, `pending` and expiry change together.
-- @include load tag
local function tell(id, event)
  redis.call('RPUSH', K.story .. id, event)
end

-- Leave the outbox for good. `keep` seconds from the end of the last recipient; the longest wish wins.
local function finish(id, uid, state, event, keep)
  local message = K.message .. id
  local size, before, kept, pending = unpack(redis.call('HMGET', message, 'size', 'state:' .. uid, 'keep', 'pending'))
  pending = tonumber(pending or 0) - 1
  if size then redis.call('HINCRBY', K.load .. uid, before == 'quarantined' and 'held' or 'bytes', -size) end
  keep = math.max(tonumber(kept or 0), tonumber(keep))
  redis.call('HSET', message, 'state:' .. uid, state, 'keep', keep, 'pending', pending)
  redis.call('HDEL', message, 'tried:' .. uid, 'last:' .. uid)  -- of a message that waits
  tell(id, event)
  redis.call('ZREM', K.outbox .. uid, id)
  if pending <= 0 then
    redis.call('EXPIRE', message, keep)
    redis.call('EXPIRE', K.story .. id, keep)
  end
end

-- Open again after an end, in `state`: its place in the order of arrival. False when the message is gone.
local function reopen(id, uid, state, event)
  local message = K.message .. id
  local seq = redis.call('HGET', message, 'seq')
  if not seq then return false end
  redis.call('HSET', message, 'state:' .. uid, state)
  weigh(id, uid, 'bytes', 1)
  redis.call('HDEL', message, 'tried:' .. uid, 'last:' .. uid, 'epoch:' .. uid)
  redis.call('HINCRBY', message, 'pending', 1)
  redis.call('PERSIST', message)
  redis.call('PERSIST', K.story .. id)
  tell(id, event)
  redis.call('ZADD', K.outbox .. uid, seq, id)
  return seq
end

-- Whether another uid still needs the text of a message: its state there, or false.
local function needed_by_others(id, uid)
  local fields = redis.call('HGETALL', K.message .. id)
  for i = 1, #fields, 2 do
    local other, state = string.match(fields[i], '^state:(.*)$'), fields[i + 1]
    local wanted = state == 'waiting' or state == 'sending' or state == 'parked' or state == 'quarantined'
    if other and other ~= uid and wanted then return state end
  end
  return false
end

-- Whether another uid has it, so that its text stays for them
local function kept_for_others(id, uid)
  local fields = redis.call('HGETALL', K.message .. id)
  for i = 1, #fields, 2 do
    local other = string.match(fields[i], '^state:(.*)$')
    if other and other ~= uid and fields[i + 1] ~= 'dropped' then return true end
  end
  return false
end

-- An event for one uid, where its JSON says `"u":null`.
local function for_uid(event, uid)
  return (string.gsub(event, '"u":null', '"u":"' .. tag(uid) .. '"', 1))
end
