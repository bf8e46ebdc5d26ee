--- A message is about to change: for a minute it is not packed.
-- @flags allow-oom
-- @keys packed unpacked
-- @returns what it is packed into, or nothing
-- @repeat the minute begins anew
redis.call('SET', unpacked, 1, 'EX', 60)
return redis.call('GET', packed)
