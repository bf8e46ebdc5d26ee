--- Milliseconds until the next uid comes due; -1 when none waits.
-- @include gate_for_all
local function until_due(now)
  local first = redis.call('ZRANGE', K.due, 0, 0, 'WITHSCORES')[2]
  local endpoint = redis.pcall('ZRANGE', K.due_endpoints, 0, 0, 'WITHSCORES')[2]
  local told = endpoint and math.max(0, tonumber(endpoint) - now)
  if not first then return told or -1 end
  local waits = math.max(gate_for_all() > 0 and C.tick_ms or 0, tonumber(first) - now)
  return told and math.min(told, waits) or waits
end
