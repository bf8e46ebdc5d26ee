--- Hold the outbox for another full lease.
-- @flags allow-oom
-- @keys lease
-- @args uid token lease_ms:number now_ms:number
-- @returns 1, or 0 when the lease is lost
-- @repeat the same lease is renewed again
if redis.call('GET', lease) ~= token then return 0 end
redis.call('PEXPIRE', lease, lease_ms)
redis.call('ZADD', K.due, string.format('%d', now_ms + lease_ms), uid)
return 1
