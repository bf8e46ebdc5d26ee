--- What is due, straight into RQ's queue: the cost of promoting alone.
-- @args now_ms:number salt stamp
-- @returns nothing
-- @repeat each uid is promoted once a minute
-- @include promote enqueue
for i, uid in ipairs(promote(now_ms, 60000, 1000)) do enqueue(uid, salt .. i, stamp) end
