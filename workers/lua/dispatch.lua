--- Acknowledge finished jobs, promote what is due, fetch up to the free capacity.
-- @keys queue started worker worker_executions
-- @args now_ms:number stamp free:number foreign:number ahead:number again_ms name salt ttl:number worked finished...
-- @returns {suspended, ms until due, jobs left, finished jobs with dependents, jobs deferred, then {job id, execution id, fields} each}
-- @repeat what was acknowledged is gone; what was fetched and not answered is abandoned, and comes due again
-- @include enqueue promote until_due rq
--
-- `foreign`: how many jobs that are not ours may be taken; what is beyond that goes to the end of the queue.
-- `finished`: pairs of job id and execution id that ended well.
local dependent = {}
for i = 1, #finished, 2 do
  local entry = finished[i] .. ':' .. finished[i + 1]
  if redis.call('EXISTS', job(finished[i]) .. ':dependents') == 1 then
    table.insert(dependent, finished[i])  -- another job waits for this one: RQ's own way knows how to go on
  elseif redis.call('ZREM', started, entry) == 1 then
    redis.call('DEL', execution(entry), executions(finished[i]), job(finished[i]))
    redis.call('SREM', worker_executions, entry)
    redis.call('HINCRBY', worker, 'successful_job_count', 1)
  end
end
if #finished > 0 then redis.call('HINCRBYFLOAT', worker, 'total_working_time', worked) end
if free == 0 then return {0, -1, 0, dependent, 0} end
if is_suspended() then
  redis.call('HSET', worker, 'state', 'suspended')
  return {1, -1, 0, dependent, 0}
end

local room = math.max(ahead - redis.call('LLEN', queue), free)  -- jobs of others may fill the queue
for i, uid in ipairs(promote(now_ms, again_ms, room)) do enqueue(uid, salt .. '-' .. i, stamp) end
local batch = {0, until_due(now_ms), math.max(0, redis.call('LLEN', queue) - free), dependent, 0}
local deferred, looked_at = {}, 0
while #batch - 5 < free and looked_at < free + 2 * ahead do
  local job_id = redis.call('LPOP', queue)
  if not job_id then break end
  looked_at = looked_at + 1
  local i = #batch - 4
  local fields = redis.call('HGETALL', job(job_id))
  local is_foreign = false
  for f = 1, #fields, 2 do
    if fields[f] == 'data' then is_foreign = fields[f + 1] ~= C.rq_call end
  end
  if is_foreign and foreign < 1 then
    table.insert(deferred, job_id)
  elseif #fields > 0 then  -- else it was deleted meanwhile
    if is_foreign then foreign = foreign - 1 end
    local run = salt .. i
    local entry = job_id .. ':' .. run
    redis.call('HSET', job(job_id), 'status', 'started', 'worker_name', name, 'started_at', stamp,
      'last_heartbeat', stamp)
    redis.call('HSET', execution(entry), 'id', run, 'job_id', job_id, 'created_at', seconds(now_ms),
      'last_heartbeat', seconds(now_ms), 'worker_name', name)
    redis.call('EXPIRE', execution(entry), ttl)
    redis.call('ZADD', executions(job_id), now_ms / 1000 + ttl + 60, run)  -- the minute is RQ's
    redis.call('EXPIRE', executions(job_id), ttl + 60)
    redis.call('SADD', worker_executions, entry)
    redis.call('EXPIRE', worker_executions, ttl + 60)
    redis.call('ZADD', started, now_ms / 1000 + ttl, entry)
    redis.call('HSET', worker, 'state', 'busy')  -- with many there is no current job
    table.insert(batch, {job_id, run, fields})
  end
end
for _, job_id in ipairs(deferred) do redis.call('RPUSH', queue, job_id) end
batch[5] = #deferred
return batch
