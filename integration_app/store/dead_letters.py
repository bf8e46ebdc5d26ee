"""Dead letters: parked deliveries, put back into their outboxes or dropped; replays of many, at a capped rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.model import Delivery
from integration_app.store import codec, keys

_HELPERS = """
-- Whether another uid still needs the text of a message.
local function needed(key, uid)
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local other = string.match(fields[i], '^state:(.*)$')
    local state = fields[i + 1]
    local wanted = state == 'waiting' or state == 'sending' or state == 'parked' or state == 'quarantined'
    if other and other ~= uid and wanted then return state end
  end
  return false
end

local function told(event, uid)
  return (string.gsub(event, '"uid":null', '"uid":"' .. uid .. '"', 1))
end
"""

_UNPARK = (
    _HELPERS
    + """
local function unpark(id, now, event)
  local delivery = 'oi:delivery:' .. id
  local uid, ids = unpack(redis.call('HMGET', delivery, 'uid', 'ids'))
  if redis.call('ZREM', 'oi:parked', id) == 0 or not uid then return 0 end
  local moved = 0
  for message in string.gmatch(ids, '%S+') do
    local key, story = 'oi:message:' .. message, 'oi:story:' .. message
    local seq = redis.call('HGET', key, 'seq')
    if seq and redis.call('HGET', key, 'state:' .. uid) == 'parked' then
      redis.call('HSET', key, 'state:' .. uid, 'waiting')
      redis.call('HDEL', key, 'tried:' .. uid, 'last:' .. uid)
      if needed(key, uid) ~= 'parked' then redis.call('HDEL', key, 'keep') end
      redis.call('HINCRBY', key, 'pending', 1)
      redis.call('PERSIST', key)
      redis.call('PERSIST', story)
      redis.call('RPUSH', story, told(event, uid))
      redis.call('ZADD', 'oi:outbox:' .. uid, seq, message)
      moved = moved + 1
    end
  end
  redis.call('DEL', delivery)
  if moved > 0 then
    local due = redis.call('ZSCORE', 'oi:due', uid)
    if not due or tonumber(due) > tonumber(now) then redis.call('ZADD', 'oi:due', now, uid) end
    redis.call('SET', 'oi:poke:' .. uid, 1, 'EX', 600)
  end
  return moved
end
"""
)

_ONE = (
    _UNPARK
    + """
-- ARGV: delivery id, now ms, story event
return unpark(ARGV[1], ARGV[2], ARGV[3])
"""
)

_STEP = (
    _UNPARK
    + """
-- KEYS: replay, its ids, active replays · ARGV: replay id, now ms, story event
local state, rate, next_ms = unpack(redis.call('HMGET', KEYS[1], 'state', 'rate', 'next_ms'))
if state ~= 'running' then redis.call('SREM', KEYS[3], ARGV[1]) return 0 end
local now, pause = tonumber(ARGV[2]), 60000 / rate
local at = tonumber(next_ms)
if at > now + pause then at = now end  -- the clock was set back
if at < now - 1000 then at = now - 1000 end  -- time that nobody used is not made up for
local moved = 0
while at <= now do
  local id = redis.call('LPOP', KEYS[2])
  if not id then
    redis.call('HSET', KEYS[1], 'state', 'finished')
    redis.call('SREM', KEYS[3], ARGV[1])
    break
  end
  unpark(id, ARGV[2], ARGV[3])
  moved, at = moved + 1, at + pause
end
redis.call('HSET', KEYS[1], 'next_ms', string.format('%.3f', at))
redis.call('HINCRBY', KEYS[1], 'done', moved)
return moved
"""
)

_DROP = (
    _HELPERS
    + """
-- KEYS: delivery, parked · ARGV: delivery id, story event
local uid, ids = unpack(redis.call('HMGET', KEYS[1], 'uid', 'ids'))
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 or not uid then return 0 end
for message in string.gmatch(ids, '%S+') do
  local key = 'oi:message:' .. message
  if redis.call('HGET', key, 'state:' .. uid) == 'parked' then
    redis.call('HSET', key, 'state:' .. uid, 'dropped')
    redis.call('RPUSH', 'oi:story:' .. message, told(ARGV[2], uid))
    local other = needed(key, uid)
    if other ~= 'parked' then redis.call('HDEL', key, 'keep') end
    if not other then redis.call('HDEL', key, 'prepared', 'content') end
  end
end
redis.call('DEL', KEYS[1])
return 1
"""
)

_REMEMBER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """`rate` in dead letters per minute; `by` says who started it and why these."""

    id: str
    state: str
    total: int
    done: int
    rate: float
    started_at: datetime
    by: str


class DeadLetters:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._one = redis.register_script(_ONE)
        self._step = redis.register_script(_STEP)
        self._drop = redis.register_script(_DROP)

    def list(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[tuple[Delivery, datetime]]:
        """Parked deliveries with the time at which they were parked, oldest first."""
        low = codec.ms(since) if since else "-inf"
        high = codec.ms(until) if until else "+inf"
        rows: list[tuple[str, float]] = self._redis.zrangebyscore(keys.PARKED, low, high, withscores=True)  # type: ignore[assignment]
        pipe = self._redis.pipeline(transaction=False)
        for delivery_id, _ in rows:
            pipe.hgetall(keys.delivery(delivery_id))
        found = zip(rows, pipe.execute(), strict=True)
        return [(codec.load_delivery(raw), codec.from_ms(at)) for (_, at), raw in found if raw]

    def parked_at(self, delivery_id: str) -> datetime | None:
        score = self._redis.zscore(keys.PARKED, delivery_id)
        return None if score is None else codec.from_ms(score)

    def unpark(self, delivery_id: str, *, now: datetime, event: dict[str, Any]) -> int:
        """Put the messages of one dead letter back into their outbox. Returns how many; 0 when it was none."""
        return int(self._one(args=[delivery_id, codec.ms(now), _event(event, now)]))

    def drop(self, delivery_id: str, *, now: datetime, event: dict[str, Any]) -> bool:
        """Let go of one dead letter and of its text."""
        return bool(self._drop(keys=[keys.delivery(delivery_id), keys.PARKED], args=[delivery_id, _event(event, now)]))

    # --- replays of many ----------------------------------------------------------------------------------

    def start(self, replay_id: str, ids: Sequence[str], *, rate: float, by: str, now: datetime) -> None:
        """Begin to put these back, `rate` a minute; the caretakers carry it on."""
        pipe = self._redis.pipeline(transaction=True)
        values: dict[str, str | int | float] = {
            "state": "running",
            "rate": rate,
            "started_ms": codec.ms(now),
            "next_ms": codec.ms(now),
            "done": 0,
            "total": len(ids),
            "by": by,
        }
        pipe.hset(keys.replay(replay_id), mapping=values)  # type: ignore[arg-type]
        pipe.rpush(keys.replay_ids(replay_id), *ids)
        for key in (keys.replay(replay_id), keys.replay_ids(replay_id)):
            pipe.expire(key, int(_REMEMBER.total_seconds()))
        pipe.sadd(keys.REPLAYS, replay_id)
        pipe.execute()

    def step(self, *, now: datetime, event: dict[str, Any]) -> int:
        """Carry every running replay on as far as its rate allows by now."""
        moved = 0
        for replay_id in map(str, self._redis.smembers(keys.REPLAYS)):
            moved += int(
                self._step(
                    keys=[keys.replay(replay_id), keys.replay_ids(replay_id), keys.REPLAYS],
                    args=[replay_id, codec.ms(now), _event(event | {"replay": replay_id}, now)],
                )
            )
        return moved

    def cancel(self, replay_id: str) -> bool:
        """Stop a running replay; what it has not put back stays parked."""
        status = self.status(replay_id)
        if status is None or status.state != "running":
            return False
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.replay(replay_id), "state", "cancelled")
        pipe.srem(keys.REPLAYS, replay_id)
        pipe.delete(keys.replay_ids(replay_id))
        pipe.execute()
        return True

    def status(self, replay_id: str) -> ReplayStatus | None:
        raw = {str(name): str(value) for name, value in self._redis.hgetall(keys.replay(replay_id)).items()}
        if not raw:
            return None
        return ReplayStatus(
            id=replay_id,
            state=raw["state"],
            total=int(raw["total"]),
            done=int(raw["done"]),
            rate=float(raw["rate"]),
            started_at=codec.from_ms(raw["started_ms"]),
            by=raw["by"],
        )


def _event(event: dict[str, Any], now: datetime) -> str:
    return codec.dumps({"at": now, "uid": None, **event})
