--- Give the lease back, due at `next_ms` ('': nothing left).
-- @flags allow-oom
-- @keys lease
-- @args uid token next_ms last_seq now_ms
-- @returns 1, or 0 when the lease is lost
-- @repeat the lease is not ours any more
-- @include release
if redis.call('GET', lease) ~= token then return 0 end
release(uid, next_ms, last_seq, now_ms)
return 1
