--- Accept a message: dedupe, find whose it is, save it, put it into every outbox, set every uid due, ask for a worker,
--- count; or do nothing at all.
-- @keys message story rates
-- @args id envelope content now_ms dedupe_ttl unread_ttl event of_max stamp due first_due hint_due counted route entries
-- @args sender minute day size:number sender_max:number day_max:number bytes_max:number
-- @args unlisted unlisted_held listed listed_held unproven unproven_held stranger stranger_held dedupe_count:number more...
-- @returns {0, id of the first} for a duplicate, {2} when it is for no uid, {3} when this store is not ours, {4} when it is
-- @returns more than any of its uids may have, {5, id} for a known message that has to be unpacked before it can be said,
-- @returns {1, id, uids, of them held}; behind the fields of a 0, 1 or 2 the shards to which uids have moved, as <number>:<uid>
-- @repeat its dedupe keys are written last: a second run finds them, or does all of it again
-- @include count enqueue sure mine feed tag seen
--
-- `entries`: the sender and its domain as lists name them, a line each: an address may hold spaces.
-- `sender` '': whoever sends it is not limited. A `…_max` of 0: no limit. `size` in bytes.
-- `more`: the digests of the dedupe keys, then what the route needs: uids, or keys that lead to uids.
-- `unlisted`, `listed`, `unproven`, `stranger`: the verdict (JSON) for a user without a list of senders, with the sender on
-- it, on it behind a "~" (no proof is needed), and not on it; `…_held` 1 where that means quarantine.

local epoch, is_new, shard = mine(now_ms)
if not epoch then return {3} end
redis.pcall('HSET', K.last, counted, now_ms)  -- a figure for people
-- the message that this event is known by
local known
for i = 1, dedupe_count do
  known = known or seen(more[i], now_ms, is_new)
  if known then  -- a write for replicas to acknowledge
    note_seen(more[i], known, now_ms, tonumber(redis.call('GET', K.seq) or 0), dedupe_ttl)
    break
  end
end
if known and not shard then
  count(rates, counted .. 'duplicate')
  return {0, known}
end

-- With several shards each knows only its own events. For a user who moved here, those that were copied with them are known
-- by name (`own`), as far back as texts are kept; and an event that this shard knew before they came may still be new for
-- them. Those of `uids` for whom it is new:
local function own(digest, uid) return redis.sha1hex(digest .. ':' .. uid) end
local function wanting(uids)
  local found, first = {}, known and tonumber(string.sub(known, 2, 13), 16) or 0  -- an id begins with its time
  local brought
  for _, uid in ipairs(uids) do
    local came, has = tonumber(redis.call('HGET', K.installation .. uid, 'came_ms') or 0), false
    if came > 0 then
      for i = 1, dedupe_count do has = has or seen(own(more[i], uid), now_ms, true) end
      brought = brought or has
    end
    local late = came > 0 and came - unread_ttl * 1000 < first and first < came + 60000  -- clocks of two hosts
      and redis.call('HEXISTS', K.message .. (known or ''), 'state:' .. uid) == 0
    if late and not has and redis.call('EXISTS', K.packed .. known) == 1 then return nil end
    if not has and (not known or late) then table.insert(found, uid) end
  end
  return found, known or brought
end

local uids, elsewhere = {}, {}
-- whether it names a uid of this store; else it names the shard to which one has moved
local function is_here(name)
  if string.sub(name, 1, 1) ~= C.forward then return true end
  elsewhere[#elsewhere + 1] = string.sub(name, 2)
end
if route == 'sender' then
  for _, uid in ipairs(redis.call('SUNION', unpack(more, dedupe_count + 1))) do
    if is_here(uid) then table.insert(uids, uid) end
  end
elseif route == 'recipient' then
  local found = {}
  for _, uid in ipairs(#more > dedupe_count and redis.call('MGET', unpack(more, dedupe_count + 1)) or {}) do
    if uid and not found[uid] and is_here(uid) then
      found[uid] = true
      table.insert(uids, uid)
    end
  end
elseif route == 'uid' then
  for i = dedupe_count + 1, #more do
    local made, moved = unpack(redis.call('HMGET', K.installation .. more[i], 'created_at', 'moved_to'))
    if made then table.insert(uids, more[i]) elseif moved then is_here(moved) end
  end
end
table.sort(uids)
if shard and #uids > 0 or known then
  local before
  uids, before = wanting(uids)
  if not uids then return {5, known} end
  if #uids == 0 and before then
    count(rates, counted .. 'duplicate')
    return {0, before, unpack(elsewhere)}
  end
end
if #uids == 0 and route ~= '' then
  if #elsewhere == 0 then count(rates, counted .. 'unknown recipient') end
  return {2, unpack(elsewhere)}
end

-- the verdict for one uid, and whether it holds the message
local function judge(uid)
  if route ~= 'recipient' then return unlisted, unlisted_held end
  local senders, preferences = unpack(redis.call('HMGET', K.installation .. uid, 'senders', 'preferences'))
  if not senders then  -- a list that is not filled in yet (a migration) lets no one in
    local listed_before = preferences and string.find(preferences, '"senders":["', 1, true)
    if listed_before then return stranger, stranger_held end
    return unlisted, unlisted_held
  end
  for entry in string.gmatch(entries, '[^\n]+') do
    if string.find(senders, '\n~' .. entry .. '\n', 1, true) then return unproven, unproven_held end
  end
  for entry in string.gmatch(entries, '[^\n]+') do
    if string.find(senders, '\n' .. entry .. '\n', 1, true) then return listed, listed_held end
  end
  return stranger, stranger_held
end

-- whether a uid may have one more: of this sender in a minute; of all in a day, and of bytes that wait. What is held counts
-- apart, with a quarter of each: whoever it is from, it keeps out nothing that is wanted.
local function sent(uid) return K.sent .. redis.sha1hex(sender .. ':' .. uid .. ':' .. minute) end
local function today(uid) return K.day .. uid .. ':' .. day end
local function has_room(uid, is_held)
  if sender_max > 0 and sender ~= '' and tonumber(redis.call('GET', sent(uid)) or 0) >= sender_max then return false end
  local share, kind = is_held == '1' and 4 or 1, is_held == '1' and 'held_' or ''
  local came = redis.call('HMGET', today(uid), kind .. 'messages', kind .. 'bytes')
  if day_max > 0 and tonumber(came[1] or 0) >= day_max / share then return false end
  if bytes_max == 0 then return true end
  local waits = redis.call('HGET', K.load .. uid, is_held == '1' and 'held' or 'bytes')
  return tonumber(came[2] or 0) + size <= bytes_max * 2 / share and tonumber(waits or 0) + size <= bytes_max / share
end

-- One message for several is taken for all of them, or for none: who sends it again could not reach the one left out.
local takers, room = {}, #uids == 0
for _, uid in ipairs(uids) do
  local verdict, is_held = judge(uid)
  room = has_room(uid, is_held) or room
  table.insert(takers, {uid, verdict, is_held})
end
if not room then
  for _, uid in ipairs(uids) do
    if redis.call('HINCRBY', today(uid), 'refused', 1) == 1 then redis.call('EXPIRE', today(uid), 172800) end
  end
  count(rates, counted .. 'over a limit')
  return {4, unpack(elsewhere)}
end

-- an outbox that cannot be read is put aside; what waits goes into a new one
local function rebuild_outbox(uid)
  sure('ZCARD', K.outbox .. uid)
  local rows = redis.call('ZRANGE', K.of .. uid, 0, -1, 'WITHSCORES')
  for i = 1, #rows, 2 do
    local state = redis.call('HGET', K.message .. rows[i], 'state:' .. uid)
    if state == 'waiting' or state == 'sending' then redis.call('ZADD', K.outbox .. uid, rows[i + 1], rows[i]) end
  end
end

local seq = redis.call('INCR', K.seq)
local fields = {'envelope', envelope, 'content', content, 'seq', seq, 'epoch', epoch, 'pending', #takers, 'size', size}
for _, taker in ipairs(takers) do
  table.insert(fields, 'state:' .. taker[1])
  table.insert(fields, taker[3] == '1' and 'quarantined' or 'waiting')
end
redis.call('HSET', message, unpack(fields))
sure('ZADD', K.messages, now_ms, id)
local names, trust, held, hinted = {}, {}, 0, {}
for _, taker in ipairs(takers) do
  local uid, verdict, is_held = unpack(taker)
  redis.call('HINCRBY', K.load .. uid, is_held == '1' and 'held' or 'bytes', size)
  local kind = is_held == '1' and 'held_' or ''
  redis.call('HINCRBY', today(uid), kind .. 'messages', 1)
  if redis.call('HINCRBY', today(uid), kind .. 'bytes', size) == size then redis.call('EXPIRE', today(uid), 172800) end
  if sender ~= '' and redis.call('INCR', sent(uid)) == 1 then redis.call('EXPIRE', sent(uid), 120) end
  table.insert(names, '"' .. tag(uid) .. '"')
  table.insert(trust, verdict)
  sure('ZADD', K.of .. uid, seq, id)
  local is_first = redis.call('ZCARD', K.of .. uid) == 1
  if not is_first then redis.call('ZREMRANGEBYRANK', K.of .. uid, 0, of_max) end
  if is_held == '1' then
    held = held + 1
    sure('ZADD', K.quarantine, now_ms, id .. ' ' .. uid)
    feed('message.held', uid, id, now_ms)
  else
    local kind_of = redis.call('TYPE', K.outbox .. uid).ok
    if kind_of ~= 'zset' and kind_of ~= 'none' then rebuild_outbox(uid) end
    sure('ZADD', K.outbox .. uid, seq, id)
    local at = is_first and first_due or due
    if hint_due ~= '' then  -- it is time already: ask a worker; if that job is lost, the due set knows
      table.insert(hinted, uid)
      at = hint_due
    end
    sure('ZADD', K.due, 'LT', at, uid)
    feed('message.accepted', uid, id, now_ms)
  end
end
enqueue(hinted, 1, id, stamp)
local who = ',"U":[' .. table.concat(names, ',') .. '],"T":[' .. table.concat(trust, ',') .. ']}'
redis.call('RPUSH', story, string.sub(event, 1, -2) .. who)
if #uids == 0 then
  redis.call('EXPIRE', message, unread_ttl)
  redis.call('EXPIRE', story, unread_ttl)
end
count(rates, counted .. (route == '' and 'recorded' or 'stored'))
if held > 0 then count(rates, 'held:' .. string.sub(counted, 10, -2), held) end  -- webhooks:<provider>:
for i = 1, dedupe_count do
  if known then
    for _, uid in ipairs(uids) do note_seen(own(more[i], uid), id, now_ms, seq, dedupe_ttl) end
  else
    note_seen(more[i], id, now_ms, seq, dedupe_ttl)
  end
  -- while an update rolls out, a process of the version before may be asked next
  if not is_new then redis.call('SET', K.seen .. more[i], id, 'EX', 3600) end
end
return {1, id, #takers, held, unpack(elsewhere)}
