--- What one uid has here, in bytes: `bytes` waiting, `held` in quarantine; and what came for it this day.
local function weigh(id, uid, field, sign)
  local size = redis.call('HGET', K.message .. id, 'size')
  if size then redis.call('HINCRBY', K.load .. uid, field, sign * size) end
end
