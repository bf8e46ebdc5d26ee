--- The uids whose time has come. Each is named again after a while unless a worker takes it.
-- What a gate holds up is not named: while everybody waits none is; after that one at a time, until it is known
-- whether Omi is back. Endpoints of operators are told whatever Omi does.
-- @include gate_for_all
local function promote(now, again, limit)
  local closed, ready, moves, wait, probes = gate_for_all(), {}, {}, 0, false
  if closed > now then
    wait = closed
  elseif closed > 0 and redis.call('EXISTS', K.probing) == 1 then
    wait = now + C.probe_pause_ms
  elseif closed > 0 then
    probes = true
  end
  local due = redis.call('ZRANGEBYSCORE', K.due, '-inf', now, 'LIMIT', 0, limit)
  -- one probes; not always the same one, for it may be that one's own text that Omi chokes on
  if probes and #due > 0 then due = {due[now % #due + 1]} end
  for _, uid in ipairs(due) do
    local own = redis.pcall('HGET', K.gate_uid .. uid, 'until_ms')  -- one that cannot be read stops nobody
    own = type(own) == 'string' and tonumber(own) or 0
    local at = math.max(wait, own)
    if at <= now then
      at = now + again
      table.insert(ready, uid)
    end
    table.insert(moves, string.format('%d', at))
    table.insert(moves, uid)
  end
  for first = 1, #moves, 1000 do
    redis.call('ZADD', K.due, unpack(moves, first, math.min(first + 999, #moves)))
  end
  local endpoints = redis.pcall('ZRANGEBYSCORE', K.due_endpoints, '-inf', now, 'LIMIT', 0, 5)  -- messages need slots too
  for _, endpoint in ipairs(endpoints.err and {} or endpoints) do
    redis.call('ZADD', K.due_endpoints, string.format('%d', now + again), endpoint)
    table.insert(ready, C.endpoint .. endpoint)
  end
  return ready
end
