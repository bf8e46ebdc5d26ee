"""One uid at one moment, in one script: what waits, what is in flight, gates, installation; with or without a lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.model import Delivery, Gate, Installation, MessageState, WaitingMessage
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.due import DueSet, Lease
from integration_app.store.gates import as_gates, scopes
from integration_app.store.installations import as_installation
from integration_app.store.scripts import load
from integration_app.store.tags import tag_of

BATCH = 1000
"""Messages of one snapshot; those behind them wait for the next."""
_Read = Callable[[Sequence[Any]], WaitingMessage | None]

_RECOUNT_SECONDS = 24 * 3600
CONTENT_MAX = 2 * 1024 * 1024
"""Bytes of raw contents in one snapshot; what is larger is fetched when its turn comes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`waiting` in the order of arrival, without the messages of open deliveries. `last_seq` is the newest seen,
    `newest` the newest that waits. `booked`: the uid's place in the fleet's budget. `leased`: a worker holds the
    outbox. `epoch` of the store, and when it began. `held`: how often the lease was taken and not given back; more
    than once means that it cost workers their life, or their lease. `is_first`: all that is kept of this uid waits.
    """

    waiting: tuple[WaitingMessage, ...]
    open: tuple[Delivery, ...]
    gates: dict[str, Gate]
    installation: Installation | None
    booked: datetime | None
    leased: bool
    last_seq: int
    more: bool
    epoch: int = 0
    held: int = 1
    epoch_at: datetime | None = None
    newest: int = 0
    is_first: bool = False


class Outbox:
    def __init__(self, redis: Redis, due: DueSet) -> None:
        self._redis = redis
        self._lease_ms = due.lease_ms
        self._snapshot = load(redis, "snapshot")
        self._peek = load(redis, "peek")

    def claim(self, uid: str, *, now: datetime, salt: str) -> tuple[Lease, Snapshot] | None:
        """Take the lease and look; None while another worker holds it. `salt` as in `DueSet.claim`."""
        names = scopes(uid)
        found = self._snapshot(
            uid=name_of(uid),
            now_ms=codec.ms(now),
            lease_ms=self._lease_ms,
            salt=salt,
            limit=BATCH,
            content_max=CONTENT_MAX,
            gate_keys=self._gate_keys(names),
        )
        return (Lease(uid, found[0]), _as_snapshot(uid, names, found[1], after=0, read=_waiting)) if found else None

    def refresh(self, lease: Lease, *, after: int = 0) -> Snapshot:
        """Look again as the holder of the lease, at what waits behind the seq `after`."""
        return self._look(lease.uid, after=after, content_max=CONTENT_MAX, read=_waiting)

    def peek(self, uid: str) -> Snapshot:
        """Look without a lease. Raw contents stay behind: they may be large. What cannot be read is left out."""
        return self._look(uid, after=0, content_max=0, read=_readable)

    @staticmethod
    def name_of(uid: str) -> str:
        """What the uid is called in Redis, for who looks there."""
        return name_of(uid)

    def size(self, uid: str) -> int:
        return int(self._redis.zcard(keys.outbox(uid)))

    def sizes(self, uids: Sequence[str]) -> dict[str, int]:
        """How many messages wait for each of them, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for uid in uids:
            pipe.zcard(keys.outbox(uid))
        return dict(zip(uids, map(int, pipe.execute()), strict=True))

    def erase(self, uid: str, *, now: datetime) -> None:
        self._redis.delete(keys.outbox(uid), keys.load(uid), keys.day(uid, now), keys.day(uid, now - timedelta(days=1)))

    def recount(self) -> None:
        """Weigh once a day what every user has: workers of an earlier version, and repairs, do not."""
        if not self._redis.set(keys.RECOUNTED, 1, nx=True, ex=_RECOUNT_SECONDS):
            return
        for key in map(str, self._redis.scan_iter(f"{keys.LOAD}*", count=BATCH)):
            self._redis.hset(key, mapping=self._weighed(uid_of(key.removeprefix(keys.LOAD))))  # type: ignore[arg-type]

    def _weighed(self, uid: str) -> dict[str, int]:
        ids = list(map(str, self._redis.zrange(keys.of(uid), 0, -1)))
        pipe = self._redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.hmget(keys.message(message_id), ("size", f"state:{name_of(uid)}"))
        found = {"bytes": 0, "held": 0}
        for size, state in pipe.execute():
            if state in (MessageState.WAITING, MessageState.SENDING):
                found["bytes"] += int(size or 0)
            elif state == MessageState.QUARANTINED:
                found["held"] += int(size or 0)
        return found

    def refused(self, uid: str, *, now: datetime) -> int:
        """How often a message for this uid was over a limit, today and yesterday."""
        days = [self._redis.hget(keys.day(uid, now - timedelta(days=back)), "refused") for back in (0, 1)]
        return sum(int(count) for count in days if count)

    def _gate_keys(self, names: Mapping[str, str]) -> list[str]:
        return [f"{tag_of(self._redis)}{keys.gate(scope)}" for scope in names.values()]

    def _look(self, uid: str, *, after: int, content_max: int, read: _Read) -> Snapshot:
        names = scopes(uid)
        found = self._peek(
            uid=name_of(uid), after=after, limit=BATCH, content_max=content_max, gate_keys=self._gate_keys(names)
        )
        return _as_snapshot(uid, names, found, after=after, read=read)


def _as_snapshot(uid: str, names: Mapping[str, str], found: Sequence[Any], *, after: int, read: _Read) -> Snapshot:
    rows, open_rows, gates, installation, phones, booked, lease_ms, epoch, held, epoch_ms, newest, first = found
    deliveries = tuple(codec.load_delivery(raw) for flat in open_rows if (raw := _mapping(flat)))
    in_flight = {message_id for delivery in deliveries for message_id in delivery.message_ids}
    return Snapshot(
        waiting=tuple(item for row in rows if row[0] not in in_flight and (item := read(row))),
        open=deliveries,
        gates=as_gates((name, _mapping(flat)) for name, flat in zip(names, gates, strict=True)),
        installation=as_installation(uid, _mapping(installation), phones),
        booked=codec.from_ms(booked) if booked else None,
        leased=lease_ms > 0,
        last_seq=int(rows[-1][1]) if rows else after,
        more=len(rows) == BATCH,
        epoch=int(epoch or 0),
        held=int(held or 1),
        epoch_at=codec.from_ms(epoch_ms) if epoch_ms else None,
        newest=int(newest or 0),
        is_first=bool(first),
    )


def _waiting(row: Sequence[Any]) -> WaitingMessage:
    """From id, seq, envelope, prepared, tried, last, content, epoch, released; the last six may be None."""
    message_id, seq, envelope, prepared, tried, last, content, epoch, released = row
    if not envelope:
        raise ValueError("a message without its record")
    return WaitingMessage(
        id=message_id,
        seq=int(seq),
        message=codec.load_message(envelope, None),
        prepared=codec.load_prepared(prepared) if prepared else None,
        content=codec.load_content(content) if content else None,
        first_tried_at=codec.moment(tried),
        tried_at=codec.from_ms(last) if last else None,
        epoch=int(epoch or 0),
        released=bool(released),
    )


def _readable(row: Sequence[Any]) -> WaitingMessage | None:
    try:
        return _waiting(row)
    except Exception:  # noqa: BLE001 - a drain will find it, and mark it
        return None


def _mapping(flat: Sequence[Any]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
