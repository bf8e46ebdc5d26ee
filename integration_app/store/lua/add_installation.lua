--- The installation of a uid, made now if there is none.
-- @keys installation inbox
-- @args uid token now_iso now_ms
-- @returns 1; 0 where this store is not ours; 2 where the uid has just moved to another shard
-- @repeat what is there is left alone
-- @include mine
if not mine(now_ms) then return 0 end
if redis.call('HEXISTS', installation, 'created_at') == 0 then
  if redis.call('HEXISTS', installation, 'moved_to') == 1 then return 2 end
  redis.call('HSET', installation, 'inbox_token', token, 'state', 'enabled', 'created_at', now_iso)
  redis.call('SADD', K.installations, uid)
  redis.call('SET', inbox, uid)
end
return 1
