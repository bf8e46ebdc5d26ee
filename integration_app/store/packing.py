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
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from integration_app import logs
from integration_app.store import codec, keys
from integration_app.store.packed import KIND, PACKED_AFTER, Kept, arrived_at, listed, named, packed, unpacked
from integration_app.store.repair import put_aside
from integration_app.store.scripts import load
from integration_app.store.vault import current

log = logs.get(__name__)

_SIZE_MAX = 16_384
"""Bytes of a message: what is larger gains little."""
_BATCH, _BATCHES, _PAGE, _SWEEP_BATCH = 50, 10, 100, 1000
_REST_MS, _BREAK_MS = 60_000, 1_000
_AT_ONCE_MAX = 1000
_TRIES = 5
_DIGITS_MAX = 15
_WRONG_TYPE = "WRONGTYPE"


class Packing:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pack = load(redis, "pack")
        self._unpack = load(redis, "unpack")
        self._changing = load(redis, "changing")
        self._unlist = load(redis, "unlist")

    def kept(self, message_id: str) -> Kept | None:
        """Packed or not, at one moment; None when there is no such message (any more), or none that can be read."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(keys.message(message_id))
        pipe.lrange(keys.story(message_id), 0, -1)
        pipe.pttl(keys.message(message_id))
        pipe.get(keys.packed(message_id))
        pipe.pttl(keys.packed(message_id))
        fields, rows, lives, raw, packed_lives = _checked(pipe.execute(raise_on_error=False), besides=3)
        if fields:
            return Kept(fields, rows, int(lives))
        kept = self._opened(message_id, raw) if raw is not None else None
        return replace(kept, lives=int(packed_lives)) if kept else None

    def field(self, message_ids: Iterable[str], *names: str) -> list[list[str | None]]:
        """These fields of each, None for what it does not have."""
        ids = list(message_ids)
        pipe = self._redis.pipeline(transaction=True)
        for message_id in ids:
            pipe.hmget(keys.message(message_id), names)
            pipe.get(keys.packed(message_id))
        answers = pipe.execute(raise_on_error=False)
        found: list[list[str | None]] = []
        for place, message_id in enumerate(ids):
            values, raw = _checked(answers[2 * place : 2 * place + 2], besides=1)
            kept = self._opened(message_id, raw) if raw is not None else None
            found.append(list(map(kept.fields.get, names)) if kept else values)
        return found

    def change(self, message_id: str, write: Callable[[], object]) -> bool:
        """Let `write` change it while it is unpacked, again where it was packed meanwhile. Whether it found it."""
        for _ in range(_TRIES):
            self.unpack(message_id)
            if write():
                return True
            if not self._redis.exists(keys.packed(message_id), keys.message(message_id)):
                return False
        return False

    def unpack(self, message_id: str) -> bool:
        """Make it what it was, so that it may be changed; for a minute it is not packed again. False when it was not
        packed; one that cannot be read is put aside.
        """
        for _ in range(_TRIES):
            raw = self._raw(message_id)
            kept = self._opened(message_id, raw) if raw is not None else None
            if kept is None:
                return False
            flat = [part for pair in kept.sealed().fields.items() for part in pair]
            if self._unpack(
                message=keys.message(message_id),
                story=keys.story(message_id),
                packed=keys.packed(message_id),
                id=message_id,
                listed=listed(message_id),
                value=raw,
                at_ms=codec.ms(arrived_at(message_id)),
                count=len(flat),
                more=[*flat, *kept.story],
            ):
                return True
        raise RuntimeError("a packed message changes again and again")

    def _raw(self, message_id: str) -> object:
        """What it is packed into; from here on it is not packed for a minute."""
        try:
            return self._changing(packed=keys.packed(message_id), unpacked=keys.unpacked(message_id))
        except ResponseError as error:
            if not str(error).startswith(_WRONG_TYPE):
                raise
            return error

    def _opened(self, message_id: str, raw: object) -> Kept | None:
        """None for what cannot be read; that is put aside."""
        try:
            return unpacked(message_id, str(raw))  # the error in the place of a value of another type is spoilt as well
        except ValueError as error:
            log.error("put aside", message=message_id, reason=str(error))
            put_aside(self._redis, keys.packed(message_id))
            return None

    def all_ids(self, *, oldest_first: bool = False) -> Iterator[str]:
        """Of all messages, packed or not, in the order of their arrival; what waited long may stand a little late."""
        found = [_pages(partial(page, oldest_first)) for page in (self._whole_ones, self._packed_ones)]
        known: set[str] = set()
        for message_id in heapq.merge(*found, key=_place, reverse=not oldest_first):
            if message_id not in known:  # one that was unpacked is still named among the packed
                known.add(message_id)
                yield message_id

    def _whole_ones(self, oldest_first: bool, start: int) -> Sequence[str]:
        return list(map(str, self._redis.zrange(keys.MESSAGES, start, start + _PAGE - 1, desc=not oldest_first)))

    def _packed_ones(self, oldest_first: bool, start: int) -> Sequence[str]:
        place = (start, start + _PAGE - 1) if oldest_first else (-start - _PAGE, -start - 1)
        ids = [named(str(row)) for row in self._redis.lrange(keys.PACKED_IDS, *place)]
        return sorted(ids, key=_place, reverse=not oldest_first)

    def scan(self) -> Iterator[str]:
        """The same, from the keys themselves: slow, complete, in no order, and one may come twice."""
        for prefix in (keys.PACKED, keys.MESSAGE, keys.PACKED):  # one may be packed, or unpacked, meanwhile
            for key in self._redis.scan_iter(f"{prefix}*", count=1000):
                yield str(key).removeprefix(prefix)

    def count(self) -> int:
        """How many; those that have expired are counted until the next sweep."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zcard(keys.MESSAGES)
        pipe.llen(keys.PACKED_IDS)
        pipe.scard(keys.STILL_LISTED)
        whole, listed_ones, unpacked_ones = pipe.execute()
        return int(whole + listed_ones - unpacked_ones)

    def sweep(self, *, limit: int) -> int:
        """Forget ids of packed messages that have expired, among the `limit` oldest: how many."""
        gone = start = 0
        while start < limit:
            ids = [named(str(row)) for row in self._redis.lrange(keys.PACKED_IDS, start, start + _SWEEP_BATCH - 1)]
            pipe = self._redis.pipeline(transaction=False)
            for message_id in ids:
                pipe.exists(keys.packed(message_id), keys.message(message_id))
            expired = [one for one, there in zip(ids, pipe.execute(), strict=True) if not there]
            # asked again where nothing comes between: another process may sweep, or pack
            forgotten = int(self._unlist(rows=[part for one in expired for part in (one, listed(one))]))
            gone += forgotten
            start += len(ids) - forgotten
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
        packs_ms = str(self._redis.hget(keys.STORE, "packs_ms") or 0)
        if packs_ms.isdecimal() and int(packs_ms[:_DIGITS_MAX]) > codec.ms(now):
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
        begin, end = self._packed_to(), codec.ms(now - PACKED_AFTER)
        rows: list[tuple[str, float]] = self._redis.zrangebyscore(  # type: ignore[assignment]
            keys.MESSAGES, begin, end, 0, _BATCH, withscores=True
        )
        is_end = len(rows) < _BATCH
        ids = [str(message_id) for message_id, _ in rows]
        if not is_end:  # the next batch begins behind all that came at the same millisecond
            ids += map(str, self._redis.zrangebyscore(keys.MESSAGES, rows[-1][1], rows[-1][1], 0, _AT_ONCE_MAX))
        ended = self._ended(list(dict.fromkeys(ids)))
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
        self._redis.set(keys.PACKED_TO, "-inf" if is_end else f"({rows[-1][1]:.0f}", ex=24 * 3600)
        return done, is_end

    def _packed_to(self) -> str:
        """Where the last batch ended."""
        begin = str(self._redis.get(keys.PACKED_TO) or "")
        return begin if begin.startswith("(") and begin[1:].isdecimal() else "-inf"

    def _ended(self, ids: Sequence[str]) -> list[str]:
        """Those that expire, and are small enough."""
        pipe = self._redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.pttl(keys.message(message_id))
            pipe.hget(keys.message(message_id), "size")
        answers = pipe.execute(raise_on_error=False)
        rows = zip(ids, answers[::2], answers[1::2], strict=True)
        return [one for one, lives, size in rows if lives > 0 and _is_small(str(size))]


def _place(message_id: str) -> tuple[datetime, str]:
    return arrived_at(message_id), message_id  # as in a sorted set


def _is_small(size: str) -> bool:
    return size.isdecimal() and len(size) < _DIGITS_MAX and int(size) <= _SIZE_MAX


def _checked(answers: list[Any], besides: int) -> list[Any]:
    """Raises the error of one of these answers; but that of the answer at `besides` stays, for its key is put aside."""
    for place, answer in enumerate(answers):
        if isinstance(answer, Exception) and not (place >= besides and str(answer).startswith(_WRONG_TYPE)):
            raise answer
    return answers


def _digest(fields: Mapping[str, str], story: Sequence[str]) -> str:
    read = "\0".join([*(part for pair in fields.items() for part in pair), *story])
    return hashlib.sha1(read.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _pages(page: Callable[[int], Sequence[str]]) -> Iterator[str]:
    start = 0
    while ids := page(start):
        yield from ids
        start += len(ids)
