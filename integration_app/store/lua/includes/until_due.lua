--- Milliseconds until the next uid comes due; -1 when none waits.
-- @include gate_for_all
local function until_due(now)
  local first = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
  if not first then return -1 end
  return math.max(gate_for_all() > 0 and C.tick_ms or 0, tonumber(first) - now)
end
