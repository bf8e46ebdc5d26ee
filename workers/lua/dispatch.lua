--- Acknowledge finished jobs, promote what is due, fetch up to the free capacity.
-- @keys queue started worker worker_executions
-- @args now_ms:number stamp free:number foreign:number ahead:number again_ms name salt ttl:number worked is_apart
-- @args count:number more...
-- @returns {suspended, ms until due, jobs left, finished jobs with dependents, jobs deferred, then {job id, execution id, fields} each}
-- @repeat what was acknowledged is gone; what was fetched and not answered is abandoned, and comes due again
-- @include enqueue promote until_due rq
--
-- `foreign`: how many jobs that are not ours may be taken; what is beyond that goes to the end of the queue.
-- `more`: `count` parts of pairs of job id and execution id that ended well; and, with `is_apart` 1, what is due: the due set
-- lies in another Redis then.
local finished, due = {}, {}
for i = 1, #more do table.insert(i <= count and finished or due, more[i]) end
local dependent, waited_for, over, keys = {}, {}, {}, {}
for i = 1, #finished, 2 do waited_for[#waited_for + 1] = job(finished[i]) .. ':dependents' end
local any_dependents = #waited_for > 0 and redis.call('EXISTS', unpack(waited_for)) > 0
for i = 1, #finished, 2 do
  local id, entry = finished[i], finished[i] .. ':' .. finished[i + 1]
  if any_dependents and redis.call('EXISTS', job(id) .. ':dependents') == 1 then
    table.insert(dependent, id)  -- another job waits for this one: RQ's own way knows how to go on
  elseif redis.call('ZREM', started, entry) == 1 then
    over[#over + 1] = entry
    for _, key in ipairs({execution(entry), executions(id), job(id)}) do keys[#keys + 1] = key end
  end
end
if #over > 0 then
  redis.call('DEL', unpack(keys))
  redis.call('SREM', worker_executions, unpack(over))
end
kept_here()
if #over > 0 then redis.call('HINCRBY', worker, 'successful_job_count', #over) end
if #finished > 0 then redis.call('HINCRBYFLOAT', worker, 'total_working_time', worked) end
if free == 0 then return {0, -1, 0, dependent, 0} end
if is_suspended() then
  redis.call('HSET', worker, 'state', 'suspended')
  return {1, -1, 0, dependent, 0}
end

local length = redis.call('LLEN', queue)
local is_here = is_apart ~= '1'
kept_everywhere()
if is_here then due = promote(now_ms, again_ms, math.max(ahead - length, free)) end  -- jobs of others may fill the queue
local batch, deferred, looked_at = {0, is_here and until_due(now_ms) or -1, 0, dependent, 0}, {}, 0

-- Take a job that is not in the queue any more. What it says of itself is written by the caller.
local function take(job_id, fields)
  local run = salt .. #batch - 4
  local entry = job_id .. ':' .. run
  redis.call('HSET', execution(entry), 'id', run, 'job_id', job_id, 'created_at', seconds(now_ms),
    'last_heartbeat', seconds(now_ms), 'worker_name', name)
  redis.call('EXPIRE', execution(entry), ttl)
  redis.call('ZADD', executions(job_id), now_ms / 1000 + ttl + 60, run)  -- the minute is RQ's
  redis.call('EXPIRE', executions(job_id), ttl + 60)
  redis.call('SADD', worker_executions, entry)
  redis.call('ZADD', started, now_ms / 1000 + ttl, entry)
  table.insert(batch, {job_id, run, fields})
end

while length > 0 and #batch - 5 < free and looked_at < free + 2 * ahead do
  kept_everywhere()
  local job_id = redis.call('LPOP', queue)
  if not job_id then break end
  looked_at = looked_at + 1
  local fields, call = redis.call('HGETALL', job(job_id)), nil
  for f = 1, #fields, 2 do
    if fields[f] == 'data' then call = fields[f + 1] end
  end
  local is_foreign = call and call ~= C.rq_call
  if is_foreign and foreign < 1 then
    table.insert(deferred, job_id)
  elseif not call then  -- it was deleted meanwhile, or what it calls was never written down
    redis.call('DEL', job(job_id))
  else
    if is_foreign then foreign = foreign - 1 else kept_here() end
    redis.call('HSET', job(job_id), 'status', 'started', 'worker_name', name, 'started_at', stamp,
      'last_heartbeat', stamp)
    take(job_id, fields)
  end
end
kept_everywhere()
for _, job_id in ipairs(deferred) do redis.call('RPUSH', queue, job_id) end
kept_here()
-- what is due and finds a free slot goes there, as a job that never waited; the others go into the queue
local first = 1
while first <= #due and #batch - 5 < free do
  local fields = job_fields(due[first], stamp)
  for _, value in ipairs({'worker_name', name, 'started_at', stamp, 'last_heartbeat', stamp, 'status', 'started'}) do
    fields[#fields + 1] = value
  end
  redis.call('HSET', job(salt .. '-' .. first), unpack(fields))
  take(salt .. '-' .. first, fields)
  first = first + 1
end
enqueue(due, first, salt, stamp)
kept_everywhere()
if #batch > 5 then
  redis.call('EXPIRE', worker_executions, ttl + 60)
  kept_here()
  redis.call('HSET', worker, 'state', 'busy')  -- with many there is no current job
end
batch[3] = math.max(0, length - looked_at) + #due - first + 1
batch[5] = #deferred
return batch
