--- What is due, for a queue that lies in another Redis, and when the next comes due.
-- @args now_ms:number again_ms limit:number
-- @returns {ms until due or -1, uids and endpoints}
-- @repeat each is named again after `again_ms` at the latest
-- @include promote until_due
local due = promote(now_ms, again_ms, limit)
return {until_due(now_ms), unpack(due)}
