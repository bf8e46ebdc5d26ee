--- A job of RQ's, as the installed RQ writes it (a test holds the hash against RQ's own): its fields, one after the other.
local function meta(uid) return '{"uid": "' .. uid .. '"}' end
local function job_fields(uid, stamp)
  return {C.rq_fields, 'created_at', stamp, 'enqueued_at', stamp, 'meta', meta(uid)}
end

-- Put a job for each of `uids`, from the `first` on, into RQ's queue. Their ids: `salt`, a dash and a number. It is a hint:
-- neither the append-only file nor a replica needs what it says, for the due set says the same. The queue itself is
-- the same everywhere: RQ takes jobs of others from it by their place.
local function enqueue(uids, first, salt, stamp)
  if first > #uids then return end
  local ids = {}
  redis.set_repl(redis.REPL_NONE)
  local pattern = C.rq_job .. salt .. '-' .. first
  for i = first, #uids do
    local id = salt .. '-' .. i
    if i == first then
      redis.call('HSET', pattern, unpack(job_fields(uids[i], stamp)))
    else  -- a copy costs half of writing ten fields
      redis.call('COPY', pattern, C.rq_job .. id)
      redis.call('HSET', C.rq_job .. id, 'meta', meta(uids[i]))
    end
    ids[#ids + 1] = id
  end
  redis.set_repl(redis.REPL_ALL)
  redis.call('SADD', C.rq_queues, C.rq_queue)
  for i = 1, #ids, 1000 do redis.call('RPUSH', C.rq_queue, unpack(ids, i, math.min(i + 999, #ids))) end
end
