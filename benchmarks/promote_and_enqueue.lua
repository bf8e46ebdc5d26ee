--- What is due, straight into RQ's queue: the cost of promoting alone.
-- @args now_ms:number salt stamp
-- @returns nothing
-- @repeat each uid is promoted once a minute
-- @include promote enqueue
enqueue(promote(now_ms, 60000, 250), 1, salt, stamp)
