--- A job of RQ's, as the installed RQ writes it (a test holds the hash against RQ's own): its fields, one after the other.
local function job_fields(uid, stamp)
  return {C.rq_fields, 'created_at', stamp, 'enqueued_at', stamp, 'meta', '{"uid": "' .. uid .. '"}'}
end

-- Put a job for each of `uids`, from the `first` on, into RQ's queue. Their ids: `salt`, a dash and a number.
local function enqueue(uids, first, salt, stamp)
  if first > #uids then return end
  local ids = {}
  redis.call('SADD', C.rq_queues, C.rq_queue)
  for i = first, #uids do
    redis.call('HSET', C.rq_job .. salt .. '-' .. i, unpack(job_fields(uids[i], stamp)))
    ids[#ids + 1] = salt .. '-' .. i
  end
  for i = 1, #ids, 1000 do redis.call('RPUSH', C.rq_queue, unpack(ids, i, math.min(i + 999, #ids))) end
end
