"""Accepting a message: one atomic script, see lua/accept.lua."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Protocol

from redis import Redis

from integration_app.errors import StoreUnfit
from integration_app.model import Content, InboundMessage, Received, Route, Verdict
from integration_app.model.imports import IMPORT
from integration_app.store import codec, due, inbox, keys, stories
from integration_app.store.accounts import look_again, name_of
from integration_app.store.installations import inbox_tokens, phone_keys
from integration_app.store.packing import Packing
from integration_app.store.replication import NO_REPLICATION, Replication
from integration_app.store.scripts import load
from integration_app.store.tags import tag_of
from integration_app.store.vault import current
from integration_app.text.addresses import listings

_TRIES = 3
DEDUPE_TTL = timedelta(days=30)
_SIZE_MIN = 2_000
"""Bytes that any message occupies, its story and ids included."""
TOKENS_MAX = 50
"""Parts of a mail's addresses that are looked up as private addresses; no mail is for so many."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may have: messages of one sender in a minute, of all in a day; bytes that wait, of which a quarter
    may be held, and twice as many may come in a day. 0: no limit. Events signed with a key of our own are not counted
    by sender.
    """

    per_minute: int = 0
    per_day: int = 0
    bytes: int = 0


NO_LIMITS = Limits()


class Receipt(StrEnum):
    """What became of a genuine message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    OVER_LIMIT = "over a limit"
    RECORDED = "recorded"  # a word for the carrier: kept for the record, never forwarded
    FOR_NOBODY = "for nobody"


@dataclass(frozen=True, slots=True)
class Accepted:
    """`message_id` is that of the first for a duplicate. `uids`: for how many users; `held`: in quarantine for them.
    `control`: why it was only recorded. `elsewhere`: shards to which users have moved, and who (as Redis calls them).
    """

    receipt: Receipt
    message_id: str = ""
    uids: int = 0
    held: int = 0
    control: str | None = None
    elsewhere: tuple[tuple[int, str], ...] = ()


class Enqueues(Protocol):
    """How a job is put into the queue within a script."""

    @property
    def constants(self) -> Mapping[str, str | int]: ...

    @property
    def is_apart(self) -> bool: ...

    def stamp(self, moment: datetime) -> str: ...


class Ingest:
    def __init__(
        self,
        redis: Redis,
        text_retention: timedelta,
        jobs: Enqueues,
        replication: Replication = NO_REPLICATION,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._limits = limits
        self._redis = redis
        self._tag = tag_of(redis)
        self._replication = replication
        self._retention = text_retention
        self._jobs = jobs
        self._accept = load(redis, "accept", {**jobs.constants, "forward": f"'{keys.FORWARD}'"})
        self._known = load(redis, "known")
        self._packing = Packing(redis)

    def accept(
        self,
        message_id: str,
        message: InboundMessage,
        verdicts: Sequence[Verdict],
        *,
        due_at: datetime,
        now: datetime,
        first_due_at: datetime | None = None,
        is_limited: bool = True,
    ) -> Accepted:
        """Write `message` down for every uid that it belongs to, to be drained from `due_at`, or from `first_due_at`
        where nothing of that uid is kept; a worker is asked at once where `due_at` is now. Not `is_limited`: others of
        its users have it already.

        `verdicts`: for a user without a list of senders, with its sender on it, on it without proof, not on it. With
        `control` set it is only recorded, for no uid, and expires with the retention of texts. Raises `StoreUnfit` when
        the store is not ours, or too few replicas have it: then it has to be sent again.
        """
        name_of("")  # its key has to be readable, also where the message names no uid
        route, wanted = ("", []) if message.control else (message.route.value, self._wanted(message))
        entries = listings(message.sender) if message.route is Route.RECIPIENT else ()
        event = Received(at=now, provider=message.provider, channel=message.channel, control=message.control)
        seen = list(map(event_digest, message.dedupe_keys))
        envelope, content = codec.dump_envelope(message), codec.dump_content(message.content)
        ask = partial(
            self._replication.run,
            self._accept,
            message=keys.message(message_id),
            story=keys.story(message_id),
            rates=keys.rates_at(now),
            id=message_id,
            envelope=envelope,
            content=content,
            now_ms=codec.ms(now),
            dedupe_ttl=int(DEDUPE_TTL.total_seconds()),
            unread_ttl=int(self._retention.total_seconds()),
            event=stories.dump(event),
            of_max=-inbox.LISTED_MAX - 1,
            **self._when(due_at, first_due_at or due_at, now),
            counted=f"webhooks:{message.provider}:",
            route=route,
            entries="\n".join(name for entry in entries for name in current().names("sender", entry)),
            **self._limited(message, len(envelope) + _bytes_in(message.content), now, is_limited=is_limited),
            **_judged(tuple(verdicts)),
            dedupe_count=len(seen),
            more=[*seen, *wanted],
        )
        for _ in range(_TRIES):
            code, *found = ask()
            if code != 5:
                return _accepted(code, found, is_control=bool(message.control))
            self._packing.unpack(found[0])  # it stays so for a minute
        raise RuntimeError("a known message is packed again and again")

    def _wanted(self, message: InboundMessage) -> list[str]:
        """The uids that a message names, or the keys that lead to those it is for."""
        if message.route is Route.UID:
            return list(map(name_of, message.recipients))
        return [f"{self._tag}{key}" for key in routes(message)]

    def _when(self, due_at: datetime, first_due_at: datetime, now: datetime) -> dict[str, Any]:
        """When it is drained, and the job for it where that is now, and a script can write one."""
        is_hinted = due_at <= now and not self._jobs.is_apart
        return {
            "due": codec.ms(due_at),
            "first_due": codec.ms(first_due_at),
            "stamp": self._jobs.stamp(now) if is_hinted else "",
            "hint_due": codec.ms(now) + due.HINT_REPEAT_MS if is_hinted else "",
        }

    def _limited(self, message: InboundMessage, size: int, now: datetime, *, is_limited: bool) -> dict[str, Any]:
        """What the script counts by, and how much there may be."""
        limits = self._limits if is_limited else NO_LIMITS
        return {
            "sender": "" if message.hints else _digest(message.sender),
            "minute": int(now.timestamp() // 60),
            # what a user brings along is counted apart: it keeps out nothing that is sent now
            "day": f"{keys.day_of(now)}{'i' if message.provider == IMPORT else ''}",
            "size": max(_SIZE_MIN, size),
            "sender_max": limits.per_minute,
            "day_max": limits.per_day,
            "bytes_max": limits.bytes,
        }

    def awaits(self, name: str) -> bool:
        """Whether this user is on the way to this shard. `name`: as they are called in Redis."""
        return bool(self._redis.hexists(keys.ARRIVING, name))

    def known(self, dedupe_keys: Sequence[str], *, now: datetime) -> list[bool]:
        """Of each whether its event has been taken in, in one round trip."""
        return list(map(bool, self._known(now_ms=codec.ms(now), digests=list(map(event_digest, dedupe_keys)))))

    def knows(self, dedupe_keys: Sequence[str], *, now: datetime) -> bool:
        """Whether an event of one of these keys has been taken in."""
        return any(self.known(dedupe_keys, now=now))


def _accepted(code: int, found: Sequence[Any], *, is_control: bool) -> Accepted:
    """What the script said."""
    if code in (2, 3):
        look_again()  # the store may have been begun anew
    if code == 3:
        raise StoreUnfit("this Redis is empty, or another one: omi-inbox init makes it ours")
    if code == 4:
        return Accepted(Receipt.OVER_LIMIT, elsewhere=_moved(found))
    if code == 2:
        return Accepted(Receipt.FOR_NOBODY, elsewhere=_moved(found))
    if code == 0:
        return Accepted(Receipt.DUPLICATE, found[0], elsewhere=_moved(found[1:]))
    uids, held = map(int, found[1:3])
    receipt = Receipt.RECORDED if is_control else Receipt.STORED
    return Accepted(receipt, found[0], uids, held, elsewhere=_moved(found[3:]))


def _moved(rows: Sequence[str]) -> tuple[tuple[int, str], ...]:
    parts = (row.partition(":") for row in rows)
    return tuple((int(number), name) for number, _, name in parts)


def _bytes_in(content: Content) -> int:
    """As it is when it is opened: at rest it may be small by compression."""
    texts = sum(len(text or "") for text in (content.text, content.html, content.mime))
    return texts + sum(len(one.data or b"") for one in content.attachments)


def event_digest(dedupe_key: str) -> str:
    """Dedupe keys are made of what a provider sent, so they are hashed to a fixed size."""
    return hashlib.sha256(dedupe_key.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(1000)
def _judged(verdicts: tuple[Verdict, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, verdict in zip(("unlisted", "listed", "unproven", "stranger"), verdicts, strict=True):
        found |= {name: stories.dump_verdict(verdict), f"{name}_held": int(verdict.is_held)}
    return found


def _digest(sender: str) -> str:
    name = current().name("sender", sender.lower())
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def routes(message: InboundMessage) -> list[str]:
    """The keys that lead to the users whom a message is for."""
    match message.route:
        case Route.UID:
            return list(map(keys.installation, message.recipients))
        case Route.SENDER:
            return phone_keys(message.sender)
        case Route.RECIPIENT:
            tokens = dict.fromkeys(token for to in message.recipients for token in inbox_tokens(to))
            return [keys.inbox(token) for token in list(tokens)[:TOKENS_MAX]]
