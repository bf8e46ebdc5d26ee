--- Bind a proven phone to a uid, if it is installed.
-- @keys installation phone_uids uid_phones
-- @args uid number
-- @returns 1, or 0 when it is not installed
-- @repeat sets keep one of each
-- @include feed
if redis.call('HEXISTS', installation, 'created_at') == 0 then return 0 end
if redis.call('SADD', phone_uids, uid) == 1 then feed('user.linked', uid, '', '') end
redis.call('SADD', uid_phones, number)
return 1
