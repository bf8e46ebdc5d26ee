--- Change fields of an installation, if there is one: what comes late, behind an erasure, must not make half of one.
-- @keys installation
-- @args left changes...
-- @returns 1, or 0 when there is none
-- @repeat the same values are written again
-- @include feed
--
-- `left`: the uid where it has just left, else ''. Pairs of field and value. A value of '' takes the field away; a field that begins with '?' is only set once.
if redis.call('HEXISTS', installation, 'created_at') == 0 then return 0 end
if left ~= '' and redis.call('HEXISTS', installation, 'left_at') == 0 then feed('user.left', left, '', '') end
for i = 1, #changes, 2 do
  local field, value = changes[i], changes[i + 1]
  if value == '' then redis.call('HDEL', installation, field)
  elseif string.sub(field, 1, 1) == '?' then redis.call('HSETNX', installation, string.sub(field, 2), value)
  else redis.call('HSET', installation, field, value) end
end
return 1
