--- The uids whose time has come. Each is named again after a while unless a worker takes it.
-- What a gate holds up is not named: while everybody waits none is; after that one at a time, until it is known
-- whether Omi is back. Endpoints of operators are told whatever Omi does.
-- @include gate_for_all

-- until when a gate of its own holds a uid up; one that cannot be read stops nobody
local function own_gate(uid)
  local found = redis.pcall('HGET', K.gate_uid .. uid, 'until_ms')
  return type(found) == 'string' and tonumber(found) or 0
end

-- whether any of `uids[first]` … `uids[last]` has a gate: nearly always none has, and one question answers for all
local function any_gate(uids, first, last)
  local names = {}
  for i = first, last do names[#names + 1] = K.gate_uid .. uids[i] end
  return redis.call('EXISTS', unpack(names)) > 0
end

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
  local later = string.format('%d', now + again)
  for first = 1, #due, 100 do
    local last = math.min(first + 99, #due)
    local gated = any_gate(due, first, last)
    for i = first, last do
      local uid, at = due[i], later
      local own = gated and own_gate(uid) or 0
      if math.max(wait, own) > now then
        at = string.format('%d', math.max(wait, own))
      else
        ready[#ready + 1] = uid
      end
      moves[#moves + 1] = at
      moves[#moves + 1] = uid
    end
  end
  for first = 1, #moves, 1000 do
    redis.call('ZADD', K.due, unpack(moves, first, math.min(first + 999, #moves)))
  end
  local endpoints = redis.pcall('ZRANGEBYSCORE', K.due_endpoints, '-inf', now, 'LIMIT', 0, 5)  -- messages need slots too
  for _, endpoint in ipairs(endpoints.err and {} or endpoints) do
    redis.call('ZADD', K.due_endpoints, string.format('%d', now + again), endpoint)
    ready[#ready + 1] = C.endpoint .. endpoint
  end
  return ready
end
