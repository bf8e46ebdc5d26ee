--- Take the lease of an outbox and look at it.
-- @args uid now_ms:number lease_ms salt limit content_max:number gate_keys...
-- @returns {token, what `look` says}; nil while another worker holds the lease
-- @repeat a lease with this salt is ours already
-- @include claim look
local token, held = claim(uid, now_ms, lease_ms, salt)
if not token then return false end
return {token, look(uid, 0, limit, content_max, gate_keys, held and tostring(held), held and tonumber(lease_ms))}
