--- Let the order of arrival and the fencing tokens go on behind those of a shard from which a user comes.
-- @args seq:number fence:number
-- @returns 1
-- @repeat they are no less then
for key, least in pairs({[K.seq] = seq, [K.fence] = fence}) do
  if tonumber(redis.call('GET', key) or 0) < least then redis.call('SET', key, string.format('%d', least)) end
end
return 1
