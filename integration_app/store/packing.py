"""Packed messages: delivered an hour ago, and kept as one sealed, compressed value in the place of a hash and a story.

A packed message reads as it did. It is unpacked before anything in it changes.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.packed import KIND, PACKED_AFTER, Kept, arrived_at, listed, named, packed, unpacked
from integration_app.store.repair import put_aside
from integration_app.store.scripts import load
from integration_app.store.vault import current

_SIZE_MAX = 16_384
"""Bytes of a message: what is larger gains little."""
_BATCH, _BATCHES, _PAGE, _SWEEP_BATCH = 50, 10, 100, 1000
_REST_MS, _BREAK_MS = 60_000, 1_000


class Packing:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pack = load(redis, "pack")
        self._unpack = load(redis, "unpack")
        self._changing = load(redis, "changing")

    def kept(self, message_id: str) -> Kept | None:
        """Packed or not, at one moment; None when there is no such message (any more)."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(keys.message(message_id))
        pipe.lrange(keys.story(message_id), 0, -1)
        pipe.pttl(keys.message(message_id))
        pipe.get(keys.packed(message_id))
        pipe.pttl(keys.packed(message_id))
        fields, rows, lives, raw, packed_lives = pipe.execute()
        if fields:
            return Kept(fields, rows, int(lives))
        return replace(unpacked(message_id, str(raw)), lives=int(packed_lives)) if raw else None

    def field(self, message_ids: Iterable[str], *names: str) -> list[list[str | None]]:
        """These fields of each, None for what it does not have."""
        ids = list(message_ids)
        pipe = self._redis.pipeline(transaction=True)
        for message_id in ids:
            pipe.hmget(keys.message(message_id), names)
            pipe.get(keys.packed(message_id))
        answers = pipe.execute()
        return [
            list(map(unpacked(one, str(raw)).fields.get, names)) if raw else values
            for one, values, raw in zip(ids, answers[::2], answers[1::2], strict=True)
        ]

    def unpack(self, message_id: str) -> bool:
        """Make it what it was, so that it may be changed; for a minute it is not packed again. False when it was not
        packed; one that cannot be read is put aside.
        """
        raw = self._changing(packed=keys.packed(message_id), unpacked=keys.unpacked(message_id))
        if not raw:
            return False
        try:
            kept = unpacked(message_id, str(raw)).sealed()
        except ValueError:
            put_aside(self._redis, keys.packed(message_id))
            return False
        flat = [part for pair in kept.fields.items() for part in pair]
        return bool(
            self._unpack(
                message=keys.message(message_id),
                story=keys.story(message_id),
                packed=keys.packed(message_id),
                id=message_id,
                value=raw,
                at_ms=codec.ms(arrived_at(message_id)),
                count=len(flat),
                more=[*flat, *kept.story],
            )
        )

    def all_ids(self, *, oldest_first: bool = False) -> Iterator[str]:
        """Of all messages, packed or not, in the order of their arrival; of the packed ones nearly so."""
        found = [_pages(partial(page, oldest_first)) for page in (self._whole_ones, self._packed_ones)]
        known: set[str] = set()
        for message_id in heapq.merge(*found, key=arrived_at, reverse=not oldest_first):
            if message_id not in known:  # one that was unpacked is still named among the packed
                known.add(message_id)
                yield message_id

    def _whole_ones(self, oldest_first: bool, start: int) -> Sequence[str]:
        return list(map(str, self._redis.zrange(keys.MESSAGES, start, start + _PAGE - 1, desc=not oldest_first)))

    def _packed_ones(self, oldest_first: bool, start: int) -> Sequence[str]:
        place = (start, start + _PAGE - 1) if oldest_first else (-start - _PAGE, -start - 1)
        ids = [named(str(row)) for row in self._redis.lrange(keys.PACKED_IDS, *place)]
        return ids if oldest_first else ids[::-1]

    def scan(self) -> Iterator[str]:
        """The same, from the keys themselves: slow, complete, in no order, and one may come twice."""
        for prefix in (keys.PACKED, keys.MESSAGE, keys.PACKED):  # one may be packed, or unpacked, meanwhile
            for key in self._redis.scan_iter(f"{prefix}*", count=1000):
                yield str(key).removeprefix(prefix)

    def count(self) -> int:
        """About how many: those that were unpacked, or have expired, are counted until the next sweep."""
        return int(self._redis.zcard(keys.MESSAGES)) + int(self._redis.llen(keys.PACKED_IDS))

    def sweep(self, *, limit: int) -> int:
        """Forget ids of packed messages that have expired, among the `limit` oldest: how many."""
        gone = start = 0
        while start < limit:
            ids = [named(str(row)) for row in self._redis.lrange(keys.PACKED_IDS, start, start + _SWEEP_BATCH - 1)]
            pipe = self._redis.pipeline(transaction=False)
            for message_id in ids:
                pipe.exists(keys.packed(message_id))
            expired = [one for one, there in zip(ids, pipe.execute(), strict=True) if not there]
            for message_id in expired:
                pipe.lrem(keys.PACKED_IDS, 1, listed(message_id))  # type: ignore[arg-type]  # another process may sweep too
            gone += sum(pipe.execute())
            start += len(ids) - len(expired)
            if len(ids) < _SWEEP_BATCH:
                break
        return gone

    def step(self, *, now: datetime) -> int:
        """Pack some hundred messages whose last event is an hour old, unless another process has just done so; how
        many were. Without DATA_KEYS there is nothing to gain.
        """
        turn = keys.turn(KIND)
        if not current().is_on or not self._redis.set(turn, 1, nx=True, px=_BREAK_MS):
            return 0
        if float(str(self._redis.hget(keys.STORE, "packs_ms") or 0)) > codec.ms(now):
            return 0  # processes of an earlier version may still run, and see no packed message
        done = 0
        for _ in range(_BATCHES):
            packed, is_end = self._batch(now)
            done += packed
            if is_end:
                self._redis.pexpire(turn, _REST_MS)
                break
        return done

    def _batch(self, now: datetime) -> tuple[int, bool]:
        """Of the messages behind those that were looked at before: how many were packed, and whether these were all."""
        begin, end = str(self._redis.get(keys.PACKED_TO) or "-inf"), codec.ms(now - PACKED_AFTER)
        rows: list[tuple[str, float]] = self._redis.zrangebyscore(  # type: ignore[assignment]
            keys.MESSAGES, begin, end, 0, _BATCH, withscores=True
        )
        ended = self._ended([str(message_id) for message_id, _ in rows])
        pipe = self._redis.pipeline(transaction=False)
        for message_id in ended:
            pipe.hgetall(keys.message(message_id))
            pipe.lrange(keys.story(message_id), 0, -1)
        answers = pipe.execute(raise_on_error=False)
        found: list[str | bytes] = []
        for message_id, fields, story in zip(ended, answers[::2], answers[1::2], strict=True):
            if not isinstance(fields, dict) or not isinstance(story, list):
                continue  # a key of another type: `repair.py` sees to it
            if value := packed(message_id, Kept(fields, story), now):
                found += [message_id, listed(message_id), _digest(fields, story), value]
        done = int(self._pack(rows=found)) if found else 0
        is_end = len(rows) < _BATCH
        # what shares the last score and was not looked at is looked at in the next round
        self._redis.set(keys.PACKED_TO, "-inf" if is_end else f"({rows[-1][1]:.0f}", ex=24 * 3600)
        return done, is_end

    def _ended(self, ids: Sequence[str]) -> list[str]:
        """Those that expire, and are small enough."""
        pipe = self._redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.pttl(keys.message(message_id))
            pipe.hget(keys.message(message_id), "size")
        answers = pipe.execute(raise_on_error=False)
        rows = zip(ids, answers[::2], answers[1::2], strict=True)
        return [one for one, lives, size in rows if lives > 0 and str(size).isdigit() and int(size) <= _SIZE_MAX]


def _digest(fields: Mapping[str, str], story: Sequence[str]) -> str:
    read = "\0".join([*(part for pair in fields.items() for part in pair), *story])
    return hashlib.sha1(read.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _pages(page: Callable[[int], Sequence[str]]) -> Iterator[str]:
    start = 0
    while ids := page(start):
        yield from ids
        start += len(ids)
