--- The uids whose time has come.
-- @args now_ms:number again_ms limit:number
-- @returns uids
-- @repeat each is named again after `again_ms` at the latest
-- @include promote
return promote(now_ms, again_ms, limit)
