--- Look at an outbox without taking its lease.
-- @flags no-writes
-- @args uid after limit content_max:number gate_keys...
-- @returns what `look` says
-- @repeat it reads
-- @include look
return look(uid, after, limit, content_max, gate_keys)
