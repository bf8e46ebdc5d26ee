--- Carry a replay on as far as its rate allows by now.
-- @keys replay ids
-- @args replay_id now_ms:number event
-- @returns how many dead letters were put back
-- @repeat each id is popped once; a step whose answer was lost has been counted
-- @include unpark
local state, rate, next_ms, blind = unpack(redis.call('HMGET', replay, 'state', 'rate', 'next_ms', 'blind'))
if state ~= 'running' then redis.call('SREM', K.replays, replay_id) return 0 end
local pause = 60000 / rate
local at = tonumber(next_ms)
if at > now_ms + pause then at = now_ms end  -- the clock was set back
if at < now_ms - 1000 then at = now_ms - 1000 end  -- time that was not used is not made up for
local moved = 0
while at <= now_ms do
  local id = redis.call('LPOP', ids)
  if not id then
    redis.call('HSET', replay, 'state', 'finished')
    redis.call('SREM', K.replays, replay_id)
    break
  end
  unpark(id, now_ms, event, blind)
  moved, at = moved + 1, at + pause
end
redis.call('HSET', replay, 'next_ms', string.format('%.3f', at))
redis.call('HINCRBY', replay, 'done', moved)
return moved
