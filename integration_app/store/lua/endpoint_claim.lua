--- Take the lease of an endpoint, or keep it.
-- @keys lease endpoint_hash
-- @args endpoint token now_ms:number lease_ms:number is_kept
-- @returns 1; 0 while another worker holds it, where it was lost, and where the endpoint is gone
-- @repeat a lease with this token is ours already
local holder = redis.call('GET', lease)
if holder and holder ~= token or not holder and is_kept == '1' then return 0 end
if redis.call('HEXISTS', endpoint_hash, 'url') == 0 then
  redis.call('ZREM', K.due_endpoints, endpoint)
  return 0
end
redis.call('SET', lease, token, 'PX', lease_ms)
redis.call('ZADD', K.due_endpoints, string.format('%d', now_ms + lease_ms), endpoint)
return 1
