--- Take the lease of an outbox.
-- @args uid now_ms lease_ms salt
-- @returns the token, or nil while another worker holds it
-- @repeat a lease with this salt is ours already
-- @include claim
return claim(uid, now_ms, lease_ms, salt)
