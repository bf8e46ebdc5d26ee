"""Who may call Omi now: one answer for the whole fleet, in one script.

A closed gate for everybody stops all; once its time has come, one caller goes first as a probe. Beyond that a shared
budget of requests per minute is handed out: who finds it used up books the next free place and comes back then, so a
backlog is spread instead of storming.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Kind
from integration_app.store import codec, keys
from integration_app.store.due import PROBE_PAUSE_MS

_ADMIT = f"""
-- 0: call now. Else when to ask again, in ms.
local function admit(uid, kind, now, pause, burst, probe_ms)
  local half_open = false
  for _, key in ipairs({{'{keys.gate("all")}', '{keys.gate("all:")}' .. kind}}) do
    local until_ms = redis.call('HGET', key, 'until_ms')
    if until_ms then
      if tonumber(until_ms) > now then return tonumber(until_ms) end
      half_open = true
    end
  end
  if half_open then
    local probing = redis.call('GET', '{keys.PROBING}')
    if probing and probing ~= uid then return now + {PROBE_PAUSE_MS} end  -- somebody is finding out
  end
  -- a place that was not taken in time is given up: after an outage everybody queues anew
  local booked_by = '{keys.BOOKED}'
  redis.call('ZREMRANGEBYSCORE', booked_by, '-inf', string.format('%d', now - 5000))
  local booked = tonumber(redis.call('ZSCORE', booked_by, uid) or 0)
  if booked > now + (redis.call('ZCARD', booked_by) + 1) * pause then booked = 0 end  -- the clock was set back
  if booked > now then return booked end
  if booked > 0 then
    redis.call('ZREM', booked_by, uid)
  else
    local free = math.max(tonumber(redis.call('GET', '{keys.BUDGET}') or 0), now - burst)
    free = math.min(free, now + redis.call('ZCARD', booked_by) * pause + pause)
    redis.call('SET', '{keys.BUDGET}', string.format('%d', free + pause), 'PX', 3600000)
    if free > now then
      redis.call('ZADD', booked_by, string.format('%d', free), uid)
      return free
    end
  end
  if half_open then redis.call('SET', '{keys.PROBING}', uid, 'PX', probe_ms) end
  return 0
end
"""

_ANSWERED = f"""
-- Omi took a write: a probe is over, and so is any row of calls that it did not take.
local function answered()
  redis.call('DEL', '{keys.PROBING}', '{keys.FAILURES}', '{keys.FAILED_UIDS}', '{keys.LIMITED}', '{keys.LIMITED_UIDS}')
end
"""

_FAILED = """
-- KEYS: calls in a row, their uids · ARGV: uid, ttl s
local count = redis.call('INCR', KEYS[1])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return {count, redis.call('SCARD', KEYS[2])}
"""

_BURST_SHARE = 0.1
"""Share of a minute's requests that may go at once after a quiet time; the others are spread over the minute."""


_REMEMBER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Row:
    """Calls in a row that ended badly, and over how many users."""

    calls: int
    uids: int


class Traffic:
    """`lua` defines, for larger scripts, `answered()` and `admitted(uid, kind, now ms)`: 0, or when to ask again."""

    def __init__(self, redis: Redis, *, requests_per_minute: int, request_seconds: float) -> None:
        self._redis = redis
        burst = max(1, int(requests_per_minute * _BURST_SHARE))
        interval_ms = max(1, math.ceil(60_000 / max(1, requests_per_minute - burst)))
        limits = f"{interval_ms}, {interval_ms * (burst - 1)}, {int(request_seconds * 1000) + 5000}"
        self.lua = (
            f"{_ANSWERED} {_ADMIT} local function admitted(uid, kind, now) return admit(uid, kind, now, {limits}) end\n"
        )
        self._admit = redis.register_script(f"{self.lua} return admitted(ARGV[1], ARGV[2], tonumber(ARGV[3]))")
        self._failed = redis.register_script(_FAILED)

    def admit(self, uid: str, kind: Kind, *, now: datetime) -> datetime | None:
        """None: call now. Else when to ask again; that place is kept for this uid."""
        at = int(
            self._admit(
                keys=[],
                args=[uid, kind.value, codec.ms(now)],
            )
        )
        return codec.from_ms(at) if at else None

    def booked(self, uid: str) -> datetime | None:
        """The place in the fleet's budget that this uid has booked."""
        score = self._redis.zscore(keys.BOOKED, uid)
        return None if score is None else codec.from_ms(score)

    def answered(self, *, ends_failures: bool) -> None:
        """Omi gave an answer, so a probe is over; where it was to a write, so is a row of unanswered calls.

        Not a row of 429s: these are answers too. Only a write that Omi took ends one (`answered()` in Lua).
        """
        ended = (keys.FAILURES, keys.FAILED_UIDS) if ends_failures else ()
        self._redis.delete(keys.PROBING, *ended)

    def failed(self, uid: str) -> Row:
        """Omi did not answer, or failed. How many times in a row now, and for how many users."""
        return self._row(keys.FAILURES, keys.FAILED_UIDS, uid)

    def limited(self, uid: str) -> Row:
        """Omi answered 429. How many times in a row now, without a write that it took, and for how many users."""
        return self._row(keys.LIMITED, keys.LIMITED_UIDS, uid)

    def _row(self, calls: str, uids: str, uid: str) -> Row:
        found = self._failed(keys=[calls, uids], args=[uid, int(_REMEMBER.total_seconds())])
        self._redis.delete(keys.PROBING)
        return Row(*map(int, found))
