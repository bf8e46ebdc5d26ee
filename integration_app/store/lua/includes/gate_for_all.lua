--- Until when everybody waits, in ms; 0 where the gate is not closed and was not lately.
local function gate_for_all()
  return tonumber(redis.call('HGET', K.gate_all, 'until_ms') or 0)
end
