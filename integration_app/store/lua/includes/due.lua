--- Schedule a drain at `at`, unless an earlier one is scheduled; a running drain reads the outbox again.
local function wake(uid, now)
  local due = redis.call('ZSCORE', K.due, uid)
  if not due or tonumber(due) > tonumber(now) then redis.call('ZADD', K.due, now, uid) end
  redis.call('SET', K.poke .. uid, 1, 'EX', 600)
end
