"""What a user has in a shard: read in one, written in another. Nothing of it is used there before `Moving` says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from operator import methodcaller
from typing import Any

from redis import Redis

from integration_app.model import Kind
from integration_app.store import codec, keys, stories
from integration_app.store.accounts import name_of
from integration_app.store.gates import scopes
from integration_app.store.ingest import DEDUPE_TTL, event_digest
from integration_app.store.installations import Installations, phone_keys
from integration_app.store.packed import arrived_at
from integration_app.store.packing import Packing
from integration_app.store.scripts import load
from integration_app.store.shards.turn import Fence
from integration_app.store.vault import current

_OPEN = ("waiting", "sending", "quarantined")
INCOMING = f"{keys.PREFIX}incoming:"
"""Where an installation lies until it is the one."""


@dataclass(slots=True)
class Manifest:
    """What is not a key of the user's own: their places in what all users share. JSON at rest."""

    messages: dict[str, float] = field(default_factory=dict)
    quarantine: dict[str, float] = field(default_factory=dict)
    parked: dict[str, float] = field(default_factory=dict)
    provisional: dict[str, float] = field(default_factory=dict)
    phones: list[str] = field(default_factory=list)
    inboxes: dict[str, int] = field(default_factory=dict)
    """Key → ms that it still works; -1: for good."""
    deliveries: list[str] = field(default_factory=list)
    left: float | None = None
    daily: float | None = None
    is_importing: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def shared(self) -> dict[str, dict[str, float]]:
        """Sorted sets of all users' → this one's rows."""
        return {keys.QUARANTINE: self.quarantine, keys.PARKED: self.parked, keys.PROVISIONAL: self.provisional}

    @property
    def routes(self) -> list[str]:
        return [*self.phones, *self.inboxes]


def own_keys(uid: str, now: datetime) -> list[str]:
    """Every key that is a user's alone, but the installation."""
    days = [f"{keys.day(uid, now - timedelta(days=back))}{kind}" for back in (0, 1) for kind in ("", "i")]
    gates = [keys.gate(scope) for name, scope in scopes(uid).items() if not name.startswith("all")]
    return [
        *(name(uid) for name in (keys.outbox, keys.of, keys.open_deliveries, keys.load, keys.phones, keys.undo)),
        *(name(uid) for name in (keys.arrived, keys.imported, keys.import_items, keys.import_ids, keys.limits)),
        *(keys.used(uid, kind.value) for kind in Kind),
        *(keys.transcribed(uid, now), *days, *gates),
    ]


def manifest_of(redis: Redis, uid: str, ids: list[str]) -> Manifest:
    """Where the user stands in what all share. `ids`: of their messages."""
    name = name_of(uid)
    found = Manifest(is_importing=bool(redis.sismember(keys.IMPORTS, name)))
    packed = {one: float(codec.ms(arrived_at(one))) for one in ids}  # those that are whole have their place
    found.messages = packed | _scores(redis, keys.MESSAGES, ids)
    found.quarantine = _scores(redis, keys.QUARANTINE, [f"{one} {name}" for one in ids])
    opened = set(map(str, redis.zrange(keys.open_deliveries(uid), 0, -1)))
    parked: list[tuple[str, float]] = redis.zrange(keys.PARKED, 0, -1, withscores=True)  # type: ignore[assignment]
    found.parked = {one: at for one, at in parked if redis.hget(keys.delivery(one), "uid") == name}
    found.deliveries = sorted(opened | found.parked.keys())
    numbers = [current().open_member(str(row)) for row in redis.smembers(keys.phones(uid))]
    found.phones = [key for number in numbers for key in phone_keys(number) if redis.sismember(key, name)]
    waiting: list[tuple[str, float]] = redis.zrange(keys.PROVISIONAL, 0, -1, withscores=True)  # type: ignore[assignment]
    found.provisional = {row: at for row, at in waiting if row.partition(" ")[2] == name}
    for key in map(keys.inbox, Installations(redis).tokens(uid)):
        if redis.get(key) == name:
            found.inboxes[key] = int(redis.pttl(key))
    found.left, found.daily = redis.zscore(keys.LEFT, name), redis.zscore(keys.DAILY, name)
    return found


def _scores(redis: Redis, key: str, members: list[str]) -> dict[str, float]:
    scores = redis.zmscore(key, members) if members else []
    return {one: at for one, at in zip(members, scores, strict=True) if at is not None}


class Copier:
    """From one shard to another. What is written in the other is idle: it is neither due, nor found by any route."""

    def __init__(
        self,
        source: Redis,
        target: Redis,
        fence: Fence,
        *,
        retention: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._target = target
        self._here, self._there = Packing(source), Packing(target)
        self._retention = retention
        self._clock = clock
        self._fence = fence
        self._note_seen = load(target, "note_seen")
        self._raise = load(target, "raise")

    def copy(self, uid: str, manifest: Manifest, ids: Sequence[str]) -> None:
        """Copy all that is the user's. Safe to repeat after `discard`."""
        source, now = self._source, self._clock()
        self._raise(seq=int(source.get(keys.SEQ) or 0), fence=int(source.get(keys.FENCE) or 0))
        self._copy(keys.installation(uid), f"{INCOMING}{name_of(uid)}")
        deliveries = [key for one in manifest.deliveries for key in (keys.delivery(one), keys.settling(one))]
        for key in (*own_keys(uid, now), *deliveries):
            self._copy(key, key)
        epochs = [redis.hget(keys.STORE, "epoch") for redis in (source, self._target)]
        for one in ids:
            self._fence.check()
            self._copy_message(uid, one, *epochs)

    def _copy(self, key: str, as_key: str) -> None:
        value = self._source.dump(key)
        if value is None:
            self._fence.write(methodcaller("delete", as_key))
        else:
            lives = max(0, int(self._source.pttl(key)))
            self._fence.write(methodcaller("restore", as_key, lives, value, replace=True))

    def _copy_message(self, uid: str, one: str, epoch: Any, new_epoch: Any) -> None:
        """With the marks of this user alone."""
        name, key, story = name_of(uid), keys.message(one), keys.story(one)
        kept = self._here.kept(one)
        state = kept.fields.get(f"state:{name}") if kept else None
        if kept is None or state is None:
            return
        raw, lives = kept.sealed().fields, kept.lives
        events = list(_mine(kept.story, raw, name))
        self._there.unpack(one)
        there = set(map(str, self._target.hkeys(key)))  # others of its users may be there already
        is_open, is_new = state in _OPEN, not there
        if there:
            _receive(self._fence, one, name, [event for event in events if "uids" in event])
        mine = {field_: value for field_, value in raw.items() if field_ not in there and not _is_mark(field_)}
        mine |= {f"{mark}:{name}": raw[f"{mark}:{name}"] for mark in keys.MARKS if f"{mark}:{name}" in raw}
        # of the present epoch there is of the present one here; what has to be looked up has to be here too
        is_known = raw.get(f"epoch:{name}", raw.get("epoch")) == epoch
        mine[f"epoch:{name}"] = str(new_epoch) if is_known else "0"
        if is_new:
            mine["pending"] = "0"
        known = set(map(str, self._target.lrange(story, 0, -1)))  # of an earlier stay, where others have it too
        told = [stories.pack(event) for event in events if is_new or event.get("uid") == name]
        new = [row for row in told if row not in known]

        def write(pipe: Any) -> None:
            pipe.hset(key, mapping=mine)
            if is_open:
                pipe.hincrby(key, "pending", 1)
                pipe.persist(key)
                pipe.persist(story)
            if new:
                pipe.rpush(story, *new)
            if not is_open and is_new:
                for each in (key, story):
                    pipe.pexpire(each, lives if lives > 0 else self._retention)

        self._fence.write(write)
        self._know(name, one, raw.get("envelope"))

    def _know(self, name: str, one: str, envelope: str | None) -> None:
        """An event that became this message is not taken in once more."""
        if envelope and (found := codec.load_message(envelope, None).dedupe_keys):
            rows = [part for dedupe_key in found for part in (event_digest(dedupe_key), one)]
            ttl = int(DEDUPE_TTL.total_seconds())
            self._note_seen(now_ms=codec.ms(self._clock()), ttl=ttl, uid=name, pairs=rows)


def discard(
    redis: Redis,
    fence: Fence,
    uid: str,
    ids: Iterable[str],
    deliveries: Iterable[str],
    *,
    retention: timedelta,
    now: datetime,
) -> None:
    """Take away what is the user's in a shard where they are not, or not yet."""
    take_out, name, packing = load(redis, "part"), name_of(uid), Packing(redis)
    marks = [f"{mark}:{name}" for mark in keys.MARKS]
    for one in ids:
        fence.check()
        write = partial(
            take_out,
            message=keys.message(one),
            story=keys.story(one),
            id=one,
            uid=name,
            keep=int(retention.total_seconds()),
            turn=fence.token,
            marks=marks,
        )
        packing.change(one, partial(_leave, fence, one, name, write))
    told = [key for one in deliveries for key in (keys.delivery(one), keys.settling(one))]
    fence.write(methodcaller("delete", f"{INCOMING}{name}", *own_keys(uid, now), *told))


def _leave(fence: Fence, one: str, name: str, take_out: Callable[[], object]) -> object:
    """Out of the story first: as long as the marks are there, it can be done once more."""
    key, story = keys.message(one), keys.story(one)

    def leave(pipe: Any) -> None:
        names, rows, lives = _names(pipe.hkeys(key)), pipe.lrange(story, 0, -1), pipe.pttl(story)
        pipe.multi()
        if name in names and len(names) > 1:
            pipe.delete(story)
            if kept := stories.without(rows, names, name):
                pipe.rpush(story, *kept)
            if lives > 0:
                pipe.pexpire(story, lives)

    fence.transaction(leave, key, story)
    return take_out()


def _receive(fence: Fence, one: str, name: str, events: Iterable[Mapping[str, Any]]) -> None:
    """Among those who got it, in a story that others have already."""
    key, story = keys.message(one), keys.story(one)

    def receive(pipe: Any) -> None:
        names, rows = [*_names(pipe.hkeys(key)), name], pipe.lrange(story, 0, -1)
        pipe.multi()
        for event in events:
            if found := stories.received_by(rows, names, event):
                pipe.lset(story, *found)

    fence.transaction(receive, key, story)


def _names(fields: Iterable[str]) -> list[str]:
    return [field_.removeprefix("state:") for field_ in map(str, fields) if field_.startswith("state:")]


def _is_mark(field_: str) -> bool:
    return field_.partition(":")[0] in (*keys.MARKS, "suspect", "pending")


def _mine(rows: Iterable[str], raw: Mapping[str, str], name: str) -> Iterable[dict[str, Any]]:
    """The events that concern this user, without the others."""
    names = _names(raw)
    for row in rows:
        event = stories.unpack(row, names)
        if event.get("uid") not in (None, name):
            continue
        if "uids" in event:
            event["uids"] = [name]
        if isinstance(event.get("trust"), dict):
            event["trust"] = {who: verdict for who, verdict in event["trust"].items() if who == name}
        yield event
