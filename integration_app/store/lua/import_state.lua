--- Another state of an import, where it is still there; `until_ms`: nothing is taken before it.
-- @keys import items ids
-- @args import_id uid state until_ms ttl
-- @returns 1, or 0 where this import is over
-- @repeat it is in that state then
if redis.call('HGET', import, 'id') ~= import_id then return 0 end
redis.call('HSET', import, 'state', state)
if until_ms == '' then redis.call('HDEL', import, 'until_ms') else redis.call('HSET', import, 'until_ms', until_ms) end
for _, key in ipairs({import, items, ids}) do redis.call('EXPIRE', key, ttl) end
redis.call(state == 'running' and 'SADD' or 'SREM', K.imports, uid)
return 1
