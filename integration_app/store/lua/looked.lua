--- Note that messages of one uid are not in Omi: this epoch of the store knows all about them.
-- @keys lease
-- @args uid token epoch ids...
-- @returns 1, or 0 when the lease is lost
-- @repeat writes the same
if redis.call('GET', lease) ~= token then return 0 end
for _, id in ipairs(ids) do
  if redis.call('EXISTS', K.message .. id) == 1 then redis.call('HSET', K.message .. id, 'epoch:' .. uid, epoch) end
end
return 1
