--- The installation of a uid, made now if there is none.
-- @keys installation inbox
-- @args uid token now_iso
-- @returns nothing
-- @repeat what is there is left alone
if redis.call('HEXISTS', installation, 'created_at') == 0 then
  redis.call('HSET', installation, 'inbox_token', token, 'state', 'enabled', 'created_at', now_iso)
  redis.call('SADD', K.installations, uid)
  redis.call('SET', inbox, uid)
end
