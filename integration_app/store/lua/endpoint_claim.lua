--- Take the lease of an endpoint.
-- @keys lease
-- @args endpoint token now_ms:number lease_ms:number
-- @returns 1, 0 while another worker holds it
-- @repeat a lease with this token is ours already
local holder = redis.call('GET', lease)
if holder and holder ~= token then return 0 end
redis.call('SET', lease, token, 'PX', lease_ms)
redis.call('ZADD', K.due_endpoints, string.format('%d', now_ms + lease_ms), endpoint)
return 1
