--- Until when everybody waits, in ms; 0 where the gate is not closed and was not lately, or cannot be read.
local function gate_for_all()
  local found = redis.pcall('HGET', K.gate_all, 'until_ms')
  return type(found) == 'string' and tonumber(found) or 0
end
