--- Known events: the id of the message that each became, for 30 days at least.
-- They lie in many small hashes, which take half the memory of keys of their own: for each ten days as many as what came
-- in the ten days before wants, some sixty events in each (the first ten days of a store: 64). `K.seen_plan` says how many hashes which ten days have.
local SEEN_MS, SEEN_EACH = 864000000, 60

-- Where an event of these ten days lies: the hash, and its field there, 12 bytes.
local function seen_place(digest, period, buckets)
  local field = {}
  for i = 1, 23, 2 do field[#field + 1] = string.char(tonumber(string.sub(digest, i, i + 1), 16)) end
  local bucket = tonumber(string.sub(digest, 25, 32), 16) % buckets
  return K.seen_in .. string.format('%d', period) .. ':' .. string.format('%d', bucket), table.concat(field)
end

-- How many hashes these ten days have; planned with the first event in them.
local function seen_buckets(period, seq)
  local planned = redis.call('HGET', K.seen_plan, period)
  if planned then return tonumber(string.match(planned, '^%d+')) end
  local before = redis.call('HGET', K.seen_plan, period - 1)
  local came = before and seq - tonumber(string.match(before, '%d+$')) or 0
  local buckets = 64
  while buckets * SEEN_EACH < came and buckets < 1048576 do buckets = buckets * 2 end
  redis.call('HSET', K.seen_plan, period, string.format('%d %d', buckets, seq))
  redis.call('HDEL', K.seen_plan, period - 5)
  return buckets
end

-- The id that an event is known by, or false. A clock that goes ahead, or was set back, may have put it into the next days.
local function seen(digest, now)
  local period, periods = math.floor(now / SEEN_MS), {}
  for back = -1, 3 do periods[#periods + 1] = string.format('%d', period - back) end
  for i, planned in ipairs(redis.call('HMGET', K.seen_plan, unpack(periods))) do
    if planned then
      local key, field = seen_place(digest, tonumber(periods[i]), tonumber(string.match(planned, '^%d+')))
      local id = redis.call('HGET', key, field)
      if id then return id end
    end
  end
  return redis.call('GET', K.seen .. digest)  -- as versions before 0.4 kept it
end

local function note_seen(digest, id, now, seq, ttl)
  local period = math.floor(now / SEEN_MS)
  local key, field = seen_place(digest, period, seen_buckets(period, seq))
  redis.call('HSET', key, field, id)
  redis.call('EXPIRE', key, ttl)
end
