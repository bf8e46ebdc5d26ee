--- Take the lease of an outbox: the token of the new lease, false while another worker holds it; and how often it is held.
-- `held` counts leases that were not given back: what is held more than once cost a worker its life, or its lease.
local function claim(uid, now, lease_ms, salt)
  local lease = K.lease .. uid
  local holder = redis.call('GET', lease)
  -- ours already: the first answer was lost, and the client asks again
  if holder and string.sub(holder, -#salt) == salt then return holder end
  local left = holder and redis.call('PTTL', lease) or 0
  if left > 0 then
    -- come back when that lease ends; its holder moves this when it is done
    redis.call('ZADD', K.due, 'XX', string.format('%d', now + left), uid)
    return false
  end
  local token = redis.call('INCR', K.fence) .. '-' .. salt
  redis.call('SET', lease, token, 'PX', lease_ms)
  redis.call('ZADD', K.due, string.format('%d', now + lease_ms), uid)
  return token, redis.call('HINCRBY', K.held, uid, 1)
end
