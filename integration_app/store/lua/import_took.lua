--- The first item of an import was taken: count it, as this message.
-- @keys import items ids
-- @args import_id item message_id ttl
-- @returns 1, or 0 where this import is over, or another process has taken the item
-- @repeat another item is the first then
if redis.call('HGET', import, 'id') ~= import_id then return 0 end
if redis.call('LINDEX', items, 0) ~= item then return 0 end
redis.call('LPOP', items)
redis.call('HINCRBY', import, 'taken', 1)
redis.call('RPUSH', ids, message_id)
redis.call('EXPIRE', ids, ttl)
return 1
