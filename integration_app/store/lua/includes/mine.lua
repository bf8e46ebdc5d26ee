--- The epoch of this store, or false: it is empty, or another one. Data of before 0.3 is taken for ours. And whether every
--- process that ever used it knows events as `seen.lua` keeps them; and its number, where it is one of several.
local function mine(now)
  local epoch, is_new, shard = unpack(redis.call('HMGET', K.store, 'epoch', 'known', 'shard'))
  if not epoch and redis.call('EXISTS', K.seq) == 1 then
    redis.call('HSET', K.store, 'epoch', 1, 'made_ms', now)
    return '1', false
  end
  return epoch, is_new, shard
end
