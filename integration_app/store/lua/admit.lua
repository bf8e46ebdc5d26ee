--- Ask for a place in the fleet's budget.
-- @args uid kind now_ms:number
-- @returns 0, or when to ask again (ms)
-- @repeat a uid that has a place keeps it
-- @include admit
return admit(uid, kind, now_ms)
