--- Give the lease back, due at `next` ('': nothing left); at once where anything is newer than `seen`, or was changed.
local function release(uid, next, seen, now)
  local is_poked = redis.call('DEL', K.lease .. uid, K.poke .. uid) == 2
  redis.call('HDEL', K.held, uid)
  local newest = redis.call('ZREVRANGE', K.outbox .. uid, 0, 0, 'WITHSCORES')[2]
  if newest and tonumber(newest) > tonumber(seen) then next = now end
  if is_poked then next = now end
  if next == '' then redis.call('ZREM', K.due, uid) else redis.call('ZADD', K.due, next, uid) end
end
