--- Put another value in the place of one that has not changed meanwhile.
-- @flags allow-oom
-- @keys key
-- @args field before after
-- @returns 1, or 0 when it has changed
-- @repeat it has changed
--
-- `field` '': the key holds the value itself.
if field == '' then
  if redis.call('GET', key) ~= before then return 0 end
  redis.call('SET', key, after, 'KEEPTTL')
  return 1
end
if redis.call('HGET', key, field) ~= before then return 0 end
redis.call('HSET', key, field, after)
return 1
