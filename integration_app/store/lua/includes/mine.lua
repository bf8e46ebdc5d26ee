--- The epoch of this store, or false: it is empty, or another one. Data of before 0.3 is taken for ours.
local function mine(now)
  local epoch = redis.call('HGET', K.store, 'epoch')
  if not epoch and redis.call('EXISTS', K.seq) == 1 then
    redis.call('HSET', K.store, 'epoch', 1, 'made_ms', now)
    return '1'
  end
  return epoch
end
