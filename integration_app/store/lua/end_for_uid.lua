--- End a message for a uid that is erased, whatever its state.
-- @flags allow-oom
-- @keys message
-- @args id uid keep event
-- @returns 1, or 0 when it was not open for this uid
-- @repeat it is not open any more
-- @include message
local state = redis.call('HGET', message, 'state:' .. uid)
if state ~= 'waiting' and state ~= 'sending' then return 0 end
finish(id, uid, 'dropped', event, keep)
return 1
