--- Put one value in the place of a message's hash and story, for each message of which neither has
--- changed since they were read.
-- @flags allow-oom
-- @args rows...
-- @returns how many; not one that has changed, is about to, or does not expire
-- @repeat they are packed then
--
-- `rows`: for each its id, the id as it is listed, a digest of what was read, the value.
local done = 0
for i = 1, #rows, 4 do
  local id, listed, digest, value = unpack(rows, i, i + 3)
  local message, story = K.message .. id, K.story .. id
  local lives = redis.call('PTTL', message)
  if lives > 0 and redis.call('EXISTS', K.unpacked .. id) == 0 then
    local read = redis.call('HGETALL', message)
    for _, row in ipairs(redis.call('LRANGE', story, 0, -1)) do read[#read + 1] = row end
    if redis.sha1hex(table.concat(read, '\0')) == digest then
      if redis.call('SREM', K.still_listed, listed) == 0 then redis.call('RPUSH', K.packed_ids, listed) end
      redis.call('SET', K.packed .. id, value, 'PX', lives)
      redis.call('DEL', message, story)
      redis.call('ZREM', K.messages, id)
      done = done + 1
    end
  end
end
return done
