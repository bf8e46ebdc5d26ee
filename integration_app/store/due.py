"""The due set and its leases: the only truth about which outbox has to be looked at, when, and by whom.

A uid's score is the next time at which somebody must look. Taking a lease moves it to the lease's end, so whatever
dies, the uid comes due again. Every lease has a fencing token; a worker whose token is no longer the lease's may
neither send nor record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis import Redis

from integration_app.errors import LeaseLost
from integration_app.store import codec, keys

_CLAIM = f"""
-- The token of the new lease; false while somebody else has it.
local function claim(uid, now, lease_ms, salt)
  local lease = '{keys.lease("")}' .. uid
  local holder = redis.call('GET', lease)
  -- ours already: the first answer was lost on the way, and the client asks again
  if holder and string.sub(holder, -#salt) == salt then return holder end
  local left = redis.call('PTTL', lease)
  if left > 0 then
    -- somebody is at it: come back when that lease ends (its holder moves this when it is done)
    redis.call('ZADD', '{keys.DUE}', 'XX', string.format('%d', now + left), uid)
    return false
  end
  local token = redis.call('INCR', '{keys.FENCE}') .. '-' .. salt
  redis.call('SET', lease, token, 'PX', lease_ms)
  redis.call('ZADD', '{keys.DUE}', string.format('%d', now + lease_ms), uid)
  return token
end
"""

_RENEW = """
-- KEYS: lease, due · ARGV: uid, token, lease ms, now ms
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%d', ARGV[4] + ARGV[3]), ARGV[1])
return 1
"""

_RELEASE = f"""
-- Give the outbox back, due at `next` ('': nothing left); at once where something is newer than `seen`, or was changed.
local function release(uid, next, seen, now)
  redis.call('DEL', '{keys.lease("")}' .. uid)
  local newest = redis.call('ZREVRANGE', '{keys.OUTBOX}' .. uid, 0, 0, 'WITHSCORES')[2]
  if newest and tonumber(newest) > tonumber(seen) then next = now end
  if redis.call('DEL', '{keys.poke("")}' .. uid) == 1 then next = now end
  if next == '' then redis.call('ZREM', '{keys.DUE}', uid) else redis.call('ZADD', '{keys.DUE}', next, uid) end
end
"""

_RELEASE_HELD = f"""
if redis.call('GET', '{keys.lease("")}' .. ARGV[1]) ~= ARGV[2] then return 0 end
release(ARGV[1], ARGV[3], ARGV[4], ARGV[5])
return 1
"""

PROBE_PAUSE_MS = 3_000
"""How long the others wait while one finds out whether Omi is back."""
HINT_REPEAT_MS = 5_000
"""When an unheeded hint is given again: RQ lost the job, or the fleet is behind."""
TICK_MS = 200
"""How soon to look again while one finds out whether Omi is back."""

_PROMOTE = f"""
local function gate_for_all() return tonumber(redis.call('HGET', '{keys.gate("all")}', 'until_ms') or 0) end
-- The uids whose time has come. Each is named again after a while unless somebody takes it. What a gate holds up is not
-- named: while everybody waits nobody is, and when that is over one at a time, until it is known whether Omi is back.
local function promote(now, again, limit)
  local closed, ready, moves, wait, probes = gate_for_all(), {{}}, {{}}, 0, false
  if closed > now then
    wait = closed
  elseif closed > 0 and redis.call('EXISTS', '{keys.PROBING}') == 1 then
    wait = now + {PROBE_PAUSE_MS}
  elseif closed > 0 then
    probes = true
  end
  local due = redis.call('ZRANGEBYSCORE', '{keys.DUE}', '-inf', now, 'LIMIT', 0, limit)
  -- one probes; not always the same one, for it may be that one's own text that Omi chokes on
  if probes and #due > 0 then due = {{due[now % #due + 1]}} end
  for _, uid in ipairs(due) do
    local own = tonumber(redis.call('HGET', '{keys.gate("uid:")}' .. uid, 'until_ms') or 0)
    local at = math.max(wait, own)
    if at <= now then
      at = now + again
      table.insert(ready, uid)
    end
    table.insert(moves, string.format('%d', at))
    table.insert(moves, uid)
  end
  for first = 1, #moves, 1000 do
    redis.call('ZADD', '{keys.DUE}', unpack(moves, first, math.min(first + 999, #moves)))
  end
  return ready
end
-- Milliseconds until somebody comes due; -1 when nobody waits.
local function until_due(now)
  local first = redis.call('ZRANGE', '{keys.DUE}', 0, 0, 'WITHSCORES')[2]
  if not first then return -1 end
  return math.max(gate_for_all() > 0 and {TICK_MS} or 0, tonumber(first) - now)
end
"""


@dataclass(frozen=True, slots=True)
class Lease:
    uid: str
    token: str


class DueSet:
    """`lua` defines, for scripts that have more to do in the same step, `claim(uid, now, lease ms, salt)`,
    `release(uid, next or '', newest seq seen, now)`, `promote(now, ms until named again, limit)` and `until_due(now)`;
    all times in milliseconds.
    """

    def __init__(self, redis: Redis, lease_seconds: float) -> None:
        self._redis = redis
        self.lease_ms = int(lease_seconds * 1000)
        self._claim = redis.register_script(f"{_CLAIM} return claim(ARGV[1], ARGV[2], ARGV[3], ARGV[4])")
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(f"{_RELEASE} {_RELEASE_HELD}")
        self.lua = _CLAIM + _RELEASE + _PROMOTE
        self._promote = redis.register_script(
            f"{_PROMOTE} return promote(tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]))"
        )

    def claim(self, uid: str, *, now: datetime, salt: str) -> Lease | None:
        """Take the outbox; None while another worker has it. `salt` keeps tokens unique if Redis forgets a second."""
        token = self._claim(keys=[], args=[uid, codec.ms(now), self.lease_ms, salt])
        return Lease(uid, token) if token else None

    def renew(self, lease: Lease, *, now: datetime) -> None:
        """Hold the outbox for another full lease, before a call that takes its time. Raises `LeaseLost`."""
        held = self._renew(
            keys=[keys.lease(lease.uid), keys.DUE], args=[lease.uid, lease.token, self.lease_ms, codec.ms(now)]
        )
        if not held:
            raise LeaseLost(f"the lease of {lease.uid} was lost before a look into Omi")

    def release(self, lease: Lease, *, next_at: datetime | None, last_seq: int, now: datetime) -> bool:
        """Give the outbox back, due again at `next_at` (None: nothing left).

        A message that arrived after the holder's last look makes it due at once. False when the lease was lost.
        """
        return bool(
            self._release(
                keys=[],
                args=[
                    lease.uid,
                    lease.token,
                    codec.ms(next_at) if next_at else "",
                    last_seq,
                    codec.ms(now),
                ],
            )
        )

    def promote(self, *, now: datetime, repeat_ms: int, limit: int) -> Sequence[str]:
        """The uids whose time has come; each is named again after `repeat_ms` unless somebody takes it."""
        uids: list[str] = self._promote(keys=[], args=[codec.ms(now), repeat_ms, limit])
        return uids

    def set(self, uid: str, at: datetime) -> None:
        """Have somebody look at `uid` at `at`, whatever was planned before; a drain that is at it looks once more."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zadd(keys.DUE, {uid: codec.ms(at)})
        pipe.set(keys.poke(uid), 1, ex=600)
        pipe.execute()

    def forget(self, uid: str) -> None:
        """Nobody looks at it any more; whoever is at it loses the lease."""
        self._redis.zrem(keys.DUE, uid)
        self._redis.delete(keys.lease(uid), keys.poke(uid))

    def at(self, uid: str) -> datetime | None:
        score = self._redis.zscore(keys.DUE, uid)
        return None if score is None else codec.from_ms(score)

    def oldest(self) -> datetime | None:
        """The time of the longest overdue (or next) look."""
        first = self._redis.zrange(keys.DUE, 0, 0, withscores=True)
        return codec.from_ms(first[0][1]) if first else None
