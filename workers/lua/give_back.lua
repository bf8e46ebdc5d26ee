--- Put jobs that will not be finished here back to the head of the queue.
-- @flags allow-oom
-- @keys queue started worker_executions
-- @args running...
-- @returns how many
-- @repeat what was given back is not started any more
-- @include rq
--
-- `running`: job id, execution id, and 1 for a job that is not ours.
local given = 0
for i = 1, #running, 3 do
  local entry = running[i] .. ':' .. running[i + 1]
  if redis.call('ZREM', started, entry) == 1 then
    redis.call('DEL', execution(entry), executions(running[i]))
    redis.call('SREM', worker_executions, entry)
    if running[i + 2] ~= '1' then kept_here() end
    redis.call('HSET', job(running[i]), 'status', 'queued', 'started_at', '', 'worker_name', '')
    kept_everywhere()
    redis.call('SADD', C.rq_queues, C.rq_queue)
    redis.call('LPUSH', queue, running[i])
    given = given + 1
  end
end
return given
