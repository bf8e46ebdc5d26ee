--- Try a login code: it works once, and too many wrong tries end it.
-- @keys code
-- @args digest tries_max:number
-- @returns 1 right, 0 wrong or over
-- @repeat a right code is gone after its first run: the user asks for another
local kept = redis.call('HGET', code, 'digest')
if not kept then return 0 end
if redis.call('HINCRBY', code, 'tries', 1) > tries_max then
  redis.call('DEL', code)
  return 0
end
if kept ~= digest then return 0 end
redis.call('DEL', code)
return 1
