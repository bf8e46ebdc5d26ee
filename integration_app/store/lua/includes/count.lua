--- Count `name`, `by` or 1, in all, and in its five minutes of the last week; how long something took, in all alone. Figures
--- for people: no fault in them stops any work.
local function count(rates, name, by)
  by = tonumber(by or 1)
  redis.pcall('HINCRBY', K.counters, name, by)
  if string.sub(name, 1, 8) == 'seconds:' then return end
  if redis.pcall('HINCRBY', rates, name, by) == by then redis.pcall('EXPIRE', rates, 700000) end
end
