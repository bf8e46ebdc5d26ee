--- Whether a call may be made now: 0, else when to ask again, in ms. One budget for the whole fleet.
local function admit(uid, kind, now)
  local half_open = false
  local gates = {K.gate_all, K.gate_all_of_kind .. kind}
  if redis.call('EXISTS', unpack(gates)) == 0 then gates = {} end
  for _, key in ipairs(gates) do
    local until_ms = redis.call('HGET', key, 'until_ms')
    if until_ms then
      if tonumber(until_ms) > now then return tonumber(until_ms) end
      half_open = true
    end
  end
  if half_open then
    local probing = redis.call('GET', K.probing)
    if probing and probing ~= uid then return now + C.probe_pause_ms end
  end
  local places, booked = redis.call('ZCARD', K.booked), 0
  if places > 0 then
    -- a place that was not taken in time is given up: after an outage everybody queues anew
    places = places - redis.call('ZREMRANGEBYSCORE', K.booked, '-inf', string.format('%d', now - 5000))
    booked = tonumber(redis.call('ZSCORE', K.booked, uid) or 0)
    if booked > now + (places + 1) * C.interval_ms then booked = 0 end  -- the clock was set back
  end
  if booked > now then return booked end
  if booked > 0 then
    redis.call('ZREM', K.booked, uid)
  else
    local free = math.max(tonumber(redis.call('GET', K.budget) or 0), now - C.burst_ms)
    free = math.min(free, now + (places + 1) * C.interval_ms)
    redis.call('SET', K.budget, string.format('%d', free + C.interval_ms), 'PX', 3600000)
    if free > now then
      redis.call('ZADD', K.booked, string.format('%d', free), uid)
      return free
    end
  end
  if half_open then redis.call('SET', K.probing, uid, 'PX', C.probe_ms) end
  return 0
end
