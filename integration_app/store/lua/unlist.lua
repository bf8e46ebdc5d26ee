--- Forget ids of packed messages that are gone.
-- @flags allow-oom
-- @args rows...
-- @returns how many
-- @repeat they are forgotten then
--
-- `rows`: for each its id, and the id as it is listed.
local gone = 0
for i = 1, #rows, 2 do
  if redis.call('EXISTS', K.packed .. rows[i], K.message .. rows[i]) == 0 then
    redis.call('LREM', K.packed_ids, 1, rows[i + 1])
    redis.call('SREM', K.still_listed, rows[i + 1])
    gone = gone + 1
  end
end
return gone
