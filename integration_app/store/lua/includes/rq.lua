--- RQ's own keys, as rq.executions and rq.job spell them. What a job of ours says and who runs it is a hint, and kept by this
--- server alone; its place in the queue and its end go into the append-only file and to replicas, as all of another's does.
local function kept_here() redis.set_repl(redis.REPL_NONE) end
local function kept_everywhere() redis.set_repl(redis.REPL_ALL) end
local function execution(entry) return C.rq_execution .. entry end
local function executions(job_id) return C.rq_executions .. job_id end
local function job(job_id) return C.rq_job .. job_id end
local function seconds(ms) return string.format('%.3f', ms / 1000) end
local function is_suspended() return redis.call('EXISTS', C.rq_suspended) == 1 end
