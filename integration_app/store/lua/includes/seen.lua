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

-- How many hashes each ten days near `now` have; read once in a run.
local seen_plans
local function plans_near(now)
  if seen_plans then return seen_plans end
  local period, periods = math.floor(now / SEEN_MS), {}
  for back = -1, 3 do periods[#periods + 1] = string.format('%d', period - back) end
  seen_plans = {}
  for i, planned in ipairs(redis.call('HMGET', K.seen_plan, unpack(periods))) do
    if planned then seen_plans[tonumber(periods[i])] = planned end
  end
  return seen_plans
end

-- How many hashes these ten days have; planned with the first event in them.
local function seen_buckets(period, seq, now)
  local planned = plans_near(now)[period]
  if planned then return tonumber(string.match(planned, '^%d+')) end
  local before = plans_near(now)[period - 1]
  local came = before and seq - tonumber(string.match(before, '%d+$')) or 0
  local buckets = 64
  while buckets * SEEN_EACH < came and buckets < 1048576 do buckets = buckets * 2 end
  seen_plans[period] = string.format('%d %d', buckets, seq)
  redis.call('HSET', K.seen_plan, period, seen_plans[period])
  redis.call('HDEL', K.seen_plan, period - 5)
  return buckets
end

-- The id that an event is known by, or false. A clock that goes ahead, or was set back, may have put it into the next days.
-- `is_new`: no version before 0.4 ever wrote here.
local function seen(digest, now, is_new)
  local period, plans = math.floor(now / SEEN_MS), plans_near(now)
  for back = -1, 3 do
    local planned = plans[period - back]
    if planned then
      local key, field = seen_place(digest, period - back, tonumber(string.match(planned, '^%d+')))
      local id = redis.call('HGET', key, field)
      if id then return id end
    end
  end
  return not is_new and redis.call('GET', K.seen .. digest)
end

local function note_seen(digest, id, now, seq, ttl)
  local period = math.floor(now / SEEN_MS)
  local key, field = seen_place(digest, period, seen_buckets(period, seq, now))
  redis.call('HSET', key, field, id)
  -- with its first event, for all that come in its ten days
  if redis.call('HLEN', key) == 1 then redis.call('EXPIRE', key, ttl + SEEN_MS / 1000) end
end
