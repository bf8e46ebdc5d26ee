--- Note by which messages a uid that comes from another shard knows events: they became them there.
-- @args now_ms:number ttl uid pairs...
-- @returns 1
-- @repeat they are known then
-- @include seen
--
-- `pairs`: the digest of a dedupe key, and the id of its message.
local seq = tonumber(redis.call('GET', K.seq) or 0)
for i = 1, #pairs, 2 do
  note_seen(redis.sha1hex(pairs[i] .. ':' .. uid), pairs[i + 1], now_ms, seq, ttl)
end
return 1
