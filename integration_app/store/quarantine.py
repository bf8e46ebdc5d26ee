"""Messages whose sender is not believed, uid by uid: held, visible, released or dropped. Both steps are atomic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys

_RELEASE = """
-- KEYS: message, story, quarantine, outbox, due, poke · ARGV: id, uid, now ms, story event
if redis.call('HGET', KEYS[1], 'state:' .. ARGV[2]) ~= 'quarantined' then return 0 end
redis.call('HSET', KEYS[1], 'state:' .. ARGV[2], 'waiting')
redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
redis.call('ZADD', KEYS[4], redis.call('HGET', KEYS[1], 'seq'), ARGV[1])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
redis.call('SET', KEYS[6], 1, 'EX', 600)  -- a drain that is at it looks once more
redis.call('RPUSH', KEYS[2], ARGV[4])
return 1
"""

_DROP = """
-- KEYS: message, story, quarantine · ARGV: id, uid, ttl s, story event
redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
if redis.call('HGET', KEYS[1], 'state:' .. ARGV[2]) ~= 'quarantined' then return 0 end
redis.call('HSET', KEYS[1], 'state:' .. ARGV[2], 'dropped')
redis.call('RPUSH', KEYS[2], ARGV[4])
if redis.call('HINCRBY', KEYS[1], 'pending', -1) <= 0 then
  local keep = math.max(tonumber(redis.call('HGET', KEYS[1], 'keep') or 0), tonumber(ARGV[3]))
  redis.call('EXPIRE', KEYS[1], keep)
  redis.call('EXPIRE', KEYS[2], keep)
end
return 1
"""


class Quarantine:
    def __init__(self, redis: Redis, *, text_retention: timedelta) -> None:
        self._redis = redis
        self._retention = text_retention
        self._release = redis.register_script(_RELEASE)
        self._drop = redis.register_script(_DROP)

    def held(self, *, before: datetime | None = None, limit: int = 1000) -> Iterator[tuple[str, str, datetime]]:
        """Message id, uid and time of arrival, oldest first; with `before`, those that arrived by then."""
        until = codec.ms(before) if before else "+inf"
        rows = self._redis.zrangebyscore(keys.QUARANTINE, "-inf", until, 0, limit, withscores=True)
        for row in rows:
            message_id, _, uid = str(row[0]).partition(" ")
            yield message_id, uid, codec.from_ms(row[1])

    def release(self, message_id: str, uid: str, *, by: str, now: datetime) -> bool:
        """Have it delivered like any other, in all its parts. False when it is not held for this uid (any more)."""
        event = _event("released", uid, by, now)
        done = [
            self._release(
                keys=[
                    keys.message(part),
                    keys.story(part),
                    keys.QUARANTINE,
                    keys.outbox(uid),
                    keys.DUE,
                    keys.poke(uid),
                ],
                args=[part, uid, codec.ms(now), event],
            )
            for part in self._parts(message_id)
        ]
        return any(done)

    def drop(self, message_id: str, uid: str, *, why: str, now: datetime) -> bool:
        """Never deliver it to this uid, nor any part of it. False when it is not held (any more)."""
        event = _event("dropped from quarantine", uid, why, now)
        done = [
            self._drop(
                keys=[keys.message(part), keys.story(part), keys.QUARANTINE],
                args=[part, uid, int(self._retention.total_seconds()), event],
            )
            for part in self._parts(message_id)
        ]
        return any(done)

    def _parts(self, message_id: str) -> list[str]:
        """A text that is too long has become several messages meanwhile, if somebody else was to get it too."""
        count = int(self._redis.hget(keys.message(message_id), "parts") or 1)
        return [message_id, *(f"{message_id}p{number}" for number in range(2, count + 1))]

    def size(self) -> int:
        return int(self._redis.zcard(keys.QUARANTINE))


def _event(what: str, uid: str, by: str, now: datetime) -> str:
    return codec.dumps({"at": now, "event": what, "uid": uid, "by": by})
