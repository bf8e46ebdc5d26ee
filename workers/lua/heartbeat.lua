--- Keep the worker and what it runs alive.
-- @flags allow-oom
-- @keys started worker worker_executions
-- @args now_ms:number stamp ttl:number worker_ttl is_idle running...
-- @returns 1, or 0 when Redis does not know this worker any more
-- @repeat the same times are written again
-- @include rq
--
-- `running`: job id, execution id, and 1 for a job that is not ours.
for i = 1, #running, 3 do
  if running[i + 2] == '1' then kept_everywhere() else kept_here() end
  local entry = running[i] .. ':' .. running[i + 1]
  if redis.call('ZADD', started, 'XX', 'CH', now_ms / 1000 + ttl, entry) == 1 then
    redis.call('HSET', execution(entry), 'last_heartbeat', seconds(now_ms))
    redis.call('EXPIRE', execution(entry), ttl)
    redis.call('ZADD', executions(running[i]), now_ms / 1000 + ttl + 60, running[i + 1])
    redis.call('EXPIRE', executions(running[i]), ttl + 60)
    redis.call('HSET', job(running[i]), 'last_heartbeat', stamp)
  end
end
kept_everywhere()
redis.call('EXPIRE', worker_executions, worker_ttl)
if redis.call('HEXISTS', worker, 'birth') == 0 then return 0 end  -- forgotten, or only what a dispatch wrote
redis.call('HSET', worker, 'last_heartbeat', stamp)
if is_idle == '1' then
  redis.call('HSET', worker, 'state', is_suspended() and 'suspended' or 'idle')
end
redis.call('EXPIRE', worker, worker_ttl)
return 1
