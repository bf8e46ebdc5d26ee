--- Try a login code: it works once; too many wrong tries of one browser end it for that one, of all for everybody.
-- @keys code
-- @args digest by tries_max:number total_max:number
-- @returns 1 right, 0 wrong, 2 when there is no code to try, 3 when this browser has had its tries
-- @repeat a right code is gone after its first run: the user asks for another
local kept = redis.call('HGET', code, 'digest')
if not kept then return 2 end
if redis.call('HINCRBY', code, 'tries:' .. by, 1) > tries_max then return 3 end
if redis.call('HINCRBY', code, 'tries', 1) > total_max then
  redis.call('DEL', code)
  return 0
end
if kept ~= digest then return 0 end
redis.call('DEL', code)
return 1
