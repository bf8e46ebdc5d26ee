--- Count `name` in all, and in its five minutes of the last day. Figures for people: no fault in them stops any work.
local function count(rates, name)
  redis.pcall('HINCRBY', K.counters, name, 1)
  redis.pcall('HINCRBY', rates, name, 1)
  redis.pcall('EXPIRE', rates, 90000)
end
