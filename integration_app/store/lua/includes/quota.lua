--- Count one call against a quota window of an hour.
local function use_quota(key)
  if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, 3600) end
end
