--- Take a uid that has moved to another shard out of a message; the whole message, when no other uid of this shard has it.
-- @flags allow-oom
-- @keys message story
-- @args id uid keep turn marks...
-- @returns 1; 0 where the uid does not have it, or another process moves users by now
-- @repeat the uid is out of it then
--
-- `marks`: the fields of this uid. `turn`: what we put up here before we moved users.
if redis.call('GET', K.mover_fence) ~= turn then return 0 end
local state = redis.call('HGET', message, 'state:' .. uid)
if not state then return 0 end
local others = false
for _, field in ipairs(redis.call('HKEYS', message)) do
  if string.sub(field, 1, 6) == 'state:' and field ~= 'state:' .. uid then others = true end
end
if not others then
  redis.call('DEL', message, story)
  redis.call('ZREM', K.messages, id)
  return 1
end
redis.call('HDEL', message, unpack(marks))
local is_open = state == 'waiting' or state == 'sending' or state == 'quarantined'
if is_open and redis.call('HINCRBY', message, 'pending', -1) <= 0 then
  redis.call('EXPIRE', message, keep)
  redis.call('EXPIRE', story, keep)
end
return 1
