--- The key of the accounts' names; `fresh` becomes it in a store that is ours and has no account yet.
-- @flags allow-oom
-- @args fresh
-- @returns {whether this is settled: 1 or 0, the key as it is sealed, or '' where uids are kept as they are}
-- @repeat the key is there then
local names = redis.call('HGET', K.store, 'names')
if names then return {1, names} end
if redis.call('EXISTS', K.seq) == 1 then return {1, ''} end
if redis.call('HEXISTS', K.store, 'epoch') == 0 then return {0, ''} end
if fresh == '' or redis.call('EXISTS', K.installations) == 1 then return {1, ''} end
redis.call('HSET', K.store, 'names', fresh)
return {1, fresh}
