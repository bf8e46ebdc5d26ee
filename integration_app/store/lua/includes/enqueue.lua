--- Put a job into RQ's queue, as the installed RQ writes it (a test holds the hash against RQ's own).
local function enqueue(uid, job_id, stamp)
  redis.call('SADD', C.rq_queues, C.rq_queue)
  redis.call('HSET', C.rq_job .. job_id, C.rq_fields,
    'created_at', stamp, 'enqueued_at', stamp, 'meta', '{"uid": "' .. uid .. '"}')
  redis.call('RPUSH', C.rq_queue, job_id)
end
