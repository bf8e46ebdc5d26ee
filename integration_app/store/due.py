"""The due set and its leases: the only truth about which outbox is to be drained, when, and by which worker.

A uid's score is the time of its next drain. Taking the lease moves it to the lease's end, so if a worker dies, the uid
comes due again. Every lease has a fencing token; a worker whose token is not the lease's may neither send nor record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.errors import LeaseLost
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.scripts import load

PROBE_PAUSE_MS = 3_000
"""How long the others wait while one uid probes whether Omi is back."""
HINT_REPEAT_MS = 5_000
"""When a job is enqueued again that no worker took: RQ lost it, or the fleet is behind."""
TICK_MS = 200
"""How soon to look again while one uid probes."""
ENDPOINT = "endpoint:"
"""In front of an endpoint's id, where a job else has the name of a uid."""
CONSTANTS: dict[str, str | int] = {
    "probe_pause_ms": PROBE_PAUSE_MS, "tick_ms": TICK_MS, "endpoint": f"'{ENDPOINT}'",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lease:
    uid: str
    token: str


class DueSet:
    def __init__(self, redis: Redis, lease_seconds: float) -> None:
        self._redis = redis
        self.lease_ms = int(lease_seconds * 1000)
        self._claim = load(redis, "claim")
        self._renew = load(redis, "renew")
        self._release = load(redis, "release")
        self._promote = load(redis, "promote", CONSTANTS)
        self._turn = load(redis, "turn", CONSTANTS)

    def claim(self, uid: str, *, now: datetime, salt: str) -> Lease | None:
        """Take the lease; None while another worker holds it. `salt` keeps tokens unique if Redis loses a second."""
        token = self._claim(uid=name_of(uid), now_ms=codec.ms(now), lease_ms=self.lease_ms, salt=salt)
        return Lease(uid, token) if token else None

    def renew(self, lease: Lease, *, now: datetime) -> None:
        """Hold the outbox for another full lease, before a call that takes its time. Raises `LeaseLost`."""
        if not self._renew(
            lease=keys.lease(lease.uid),
            uid=name_of(lease.uid),
            token=lease.token,
            lease_ms=self.lease_ms,
            now_ms=codec.ms(now),
        ):
            raise LeaseLost("the lease was lost before a read-back")

    def release(self, lease: Lease, *, next_at: datetime | None, last_seq: int, now: datetime) -> bool:
        """Give the outbox back, due again at `next_at` (None: nothing left).

        A message that arrived after the holder's snapshot makes it due at once. False when the lease was lost.
        """
        return bool(
            self._release(
                lease=keys.lease(lease.uid),
                uid=name_of(lease.uid),
                token=lease.token,
                next_ms=codec.ms(next_at) if next_at else "",
                last_seq=last_seq,
                now_ms=codec.ms(now),
            )
        )

    def lease_of(self, uid: str) -> timedelta | None:
        """How long the outbox is still leased; None when it is not."""
        left = int(self._redis.pttl(keys.lease(uid)))
        return timedelta(milliseconds=left) if left > 0 else None

    def promote(self, *, now: datetime, repeat_ms: int, limit: int) -> Sequence[str]:
        """The uids whose time has come; each is named again after `repeat_ms` unless a worker takes it."""
        names = map(str, self._promote(now_ms=codec.ms(now), again_ms=repeat_ms, limit=limit))
        return [uid_of(name) for name in names if not name.startswith(ENDPOINT)]

    def turn(self, *, now: datetime, repeat_ms: int, limit: int) -> tuple[float | None, Sequence[str]]:
        """For a queue that lies elsewhere: seconds until something comes due, None when nothing waits; and what is due
        now, as it is called in Redis, endpoints of operators too.
        """
        until, *names = self._turn(now_ms=codec.ms(now), again_ms=repeat_ms, limit=limit)
        return (int(until) / 1000 if int(until) >= 0 else None), list(map(str, names))

    def set(self, uid: str, at: datetime) -> None:
        """Schedule a drain at `at`, replacing any earlier schedule; a running drain reads the outbox again."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zadd(keys.DUE, {name_of(uid): codec.ms(at)})
        pipe.set(keys.poke(uid), 1, ex=600)
        pipe.execute()

    def forget(self, uid: str) -> None:
        """Take it off the schedule; the current holder loses its lease."""
        self._redis.zrem(keys.DUE, name_of(uid))
        self._redis.hdel(keys.HELD, name_of(uid))
        self._redis.delete(keys.lease(uid), keys.poke(uid))

    def at(self, uid: str) -> datetime | None:
        score = self._redis.zscore(keys.DUE, name_of(uid))
        return None if score is None else codec.from_ms(score)

    def times(self, uids: Sequence[str]) -> dict[str, datetime | None]:
        """When each of them is to be drained next, in one round trip; None for one that is not scheduled."""
        pipe = self._redis.pipeline(transaction=False)
        for uid in uids:
            pipe.zscore(keys.DUE, name_of(uid))
        scores = pipe.execute()
        return {uid: None if at is None else codec.from_ms(at) for uid, at in zip(uids, scores, strict=True)}

    def overdue(self, *, now: datetime) -> int:
        """How many outboxes are due by now."""
        return int(self._redis.zcount(keys.DUE, "-inf", codec.ms(now)))

    def busy(self) -> int:
        """How many outboxes a worker holds."""
        return int(self._redis.hlen(keys.HELD))

    def oldest(self) -> datetime | None:
        """The scheduled time that is longest overdue, or comes next."""
        first = self._redis.zrange(keys.DUE, 0, 0, withscores=True)
        return codec.from_ms(first[0][1]) if first else None
