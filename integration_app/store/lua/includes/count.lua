--- Count `name` in all, and in its five minutes of the last day.
local function count(rates, name)
  redis.call('HINCRBY', K.counters, name, 1)
  redis.call('HINCRBY', rates, name, 1)
  redis.call('EXPIRE', rates, 90000)
end
