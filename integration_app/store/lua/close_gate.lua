--- Close a gate.
-- @keys gate
-- @args until_iso reason cause ttl until_ms:number now_ms:number
-- @returns how many times in a row it has been closed
-- @repeat a gate that is closed for as long already counts no further try
local before = tonumber(redis.call('HGET', gate, 'until_ms') or 0)
-- what comes back from a call that began before the gate closed counts no further try and opens it no earlier
if before > now_ms then
  if before >= until_ms then return tonumber(redis.call('HGET', gate, 'tries')) end
else
  redis.call('HINCRBY', gate, 'tries', 1)
end
local tries = tonumber(redis.call('HGET', gate, 'tries'))
redis.call('HSET', gate, 'until', until_iso, 'reason', reason, 'cause', cause, 'until_ms', until_ms)
redis.call('EXPIRE', gate, ttl)
return tries
