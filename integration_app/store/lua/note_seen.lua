--- Note that events are known by these messages: they became them in another shard, for a uid that comes from there.
-- @args now_ms:number ttl uid pairs...
-- @returns 1
-- @repeat they are known then
-- @include seen
--
-- `pairs`: the digest of a dedupe key, and the id of its message.
local seq = tonumber(redis.call('GET', K.seq) or 0)
for i = 1, #pairs, 2 do
  if not seen(pairs[i], now_ms) then note_seen(pairs[i], pairs[i + 1], now_ms, seq, ttl) end
  note_seen(redis.sha1hex(pairs[i] .. ':' .. uid), pairs[i + 1], now_ms, seq, ttl)
end
return 1
