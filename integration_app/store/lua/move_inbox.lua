--- Give a uid another private address; the one before works on for a while.
-- @keys installation new_inbox old_inbox
-- @args uid new_token old_token keep
-- @returns 1, or 0 when the address was changed meanwhile
-- @repeat the old token is not the current one any more
if redis.call('HGET', installation, 'inbox_token') ~= old_token then return 0 end
local moved = (redis.call('HGET', installation, 'moved') or '') .. old_token .. ' '
redis.call('EXPIRE', old_inbox, keep)
redis.call('SET', new_inbox, uid)
if #moved > 14600 then moved = string.gsub(string.sub(moved, -14600), '^%S* ', '', 1) end
redis.call('HSET', installation, 'inbox_token', new_token, 'moved', moved)
return 1
