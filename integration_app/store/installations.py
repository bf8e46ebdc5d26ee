"""Installations: the uids that enabled the app, their proven phones and their private inbox addresses."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.errors import StoreUnfit
from integration_app.model import Installation, InstallationState, Preferences
from integration_app.store import codec, keys
from integration_app.store.accounts import look_again, name_of, uid_of
from integration_app.store.scripts import load
from integration_app.store.vault import current
from integration_app.text.addresses import normal

TOKEN_BYTES = 10  # 80 bits: an inbox address is a capability and must not be guessable
TOKEN_LENGTH = 16  # in base32

UID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}")

_AT_ONCE = 500
UNDO_SECONDS = 15
"""Ten for the reader, and what the page took."""


class Installations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = load(redis, "add_installation")
        self._change = load(redis, "change_installation")
        self._bind = load(redis, "bind_phone")
        self._move = load(redis, "move_inbox")
        self._reseal = load(redis, "reseal")

    def add(self, uid: str, *, now: datetime) -> Installation:
        """The installation of `uid`, made now if there is none yet, with a private inbox address. Raises `StoreUnfit`
        where this store is not ours.
        """
        if not UID_PATTERN.fullmatch(uid):
            raise ValueError("a uid is 1 to 128 letters, digits, - and _")
        token = base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
        look_again()
        done = self._add(
            installation=keys.installation(uid),
            inbox=keys.inbox(token),
            uid=name_of(uid),
            token=current().seal("address", token),
            now_iso=now.isoformat(),
            now_ms=codec.ms(now),
        )
        if done == 0:
            raise StoreUnfit("this Redis is empty, or another one: omi-inbox init makes it ours")
        if done == 2:
            raise StoreUnfit("this user is being moved: try again")
        found = self.get(uid)
        assert found is not None  # noqa: S101 - it has just been written
        return found

    def get(self, uid: str) -> Installation | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.installation(uid))
        pipe.smembers(keys.phones(uid))
        raw, phones = pipe.execute()
        return as_installation(uid, raw, phones)

    def uids(self) -> Sequence[str]:
        return sorted(map(uid_of, map(str, self._redis.smembers(keys.INSTALLATIONS))))

    def all(self) -> Sequence[Installation]:
        uids, found = self.uids(), []
        for first in range(0, len(uids), _AT_ONCE):
            some = uids[first : first + _AT_ONCE]
            pipe = self._redis.pipeline(transaction=False)
            for uid in some:
                pipe.hgetall(keys.installation(uid))
                pipe.smembers(keys.phones(uid))
            answers = pipe.execute()
            found += [as_installation(*row) for row in zip(some, answers[::2], answers[1::2], strict=True)]
        return [row for row in found if row]

    def complete(self) -> None:
        """Fill in what versions before 0.2 did not write: the list of senders as it is compared, and who left."""
        if self._redis.exists(keys.COMPLETE):
            return
        for row in self.all():
            if row.preferences.senders:
                self.prefer(row.uid, row.preferences)
            if row.left_at:
                self._redis.zadd(keys.LEFT, {name_of(row.uid): codec.ms(row.left_at)}, nx=True)
        self._redis.set(keys.COMPLETE, 1)

    def gone(self, *, before: datetime) -> Sequence[str]:
        """The uids that left before then, and did not return."""
        return [uid_of(str(name)) for name in self._redis.zrangebyscore(keys.LEFT, "-inf", codec.ms(before))]

    def change_preferences(self, uid: str, before: Preferences, after: Preferences) -> bool:
        """Keep `after` where it is still `before`; the list of senders stays. False when the user was faster."""
        raw = self._redis.hget(keys.installation(uid), "preferences")
        if raw is None or codec.load_preferences(str(raw)) != before or before.senders != after.senders:
            return False
        kept = codec.dump_preferences(after, str(raw))
        return bool(self._reseal(key=keys.installation(uid), field="preferences", before=str(raw), after=kept))

    def search_anew(self, uid: str) -> None:
        """Write the list of senders as it is searched once more, under the newest key."""
        for _ in range(3):  # the user may change it meanwhile
            found = self.get(uid)
            if found is None:
                return
            senders = "".join(f"{_searched(entry)}\n" for entry in found.preferences.senders)
            self._change(installation=keys.installation(uid), left="", changes=["senders", senders and f"\n{senders}"])
            again = self.get(uid)
            if again is None or again.preferences.senders == found.preferences.senders:
                return

    def prefer(self, uid: str, preferences: Preferences) -> None:
        """Keep how this user wants it; the list of senders also in the form in which accepting compares it."""
        senders = "".join(f"{_searched(entry)}\n" for entry in preferences.senders)
        before = self._redis.hget(keys.installation(uid), "preferences")
        kept = codec.dump_preferences(preferences, str(before) if before else None)
        self._change(
            installation=keys.installation(uid),
            left="",
            changes=["preferences", kept, "senders", senders and f"\n{senders}"],
        )

    def keep_for_undo(self, uid: str, before: Preferences, changed: Iterable[str]) -> None:
        """So that a change of these fields can be taken back for a little while."""
        kept = {"changed": sorted(changed), "before": codec.dump_preferences(before)}
        self._redis.set(keys.undo(uid), codec.dumps(kept), ex=UNDO_SECONDS)

    def undo(self, uid: str) -> bool:
        """Take the last change back, and nothing else. False when it is too late for that."""
        raw, found = self._redis.getdel(keys.undo(uid)), self.get(uid)
        if not raw or found is None:
            return False
        kept = codec.loads(str(raw))
        before = codec.load_preferences(kept["before"])
        values = {name: getattr(before, name) for name in kept["changed"]}
        self.prefer(uid, replace(found.preferences, **values))
        return True

    def new_inbox(self, uid: str, *, keep: timedelta) -> str:
        """Another private address; the one before works for `keep` longer. Returns the token that was made."""
        token = base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
        before = self._redis.hget(keys.installation(uid), "inbox_token")
        if before:
            self._move(
                installation=keys.installation(uid),
                new_inbox=keys.inbox(token),
                old_inbox=keys.inbox(current().open("address", str(before))),
                uid=name_of(uid),
                new_token=current().seal("address", token),
                old_token=str(before),
                keep=int(keep.total_seconds()),
            )
        return token

    def tokens(self, uid: str) -> Sequence[str]:
        """The private address's token, and those before it that may still work."""
        now, moved = self._redis.hmget(keys.installation(uid), ("inbox_token", "moved"))
        sealed = [*str(now or "").split(), *str(moved or "").split()]
        return [current().open("address", token) for token in sealed]

    def erase(self, uid: str) -> None:
        """Forget the uid, its phones and its addresses."""
        phones = map(str, self._redis.smembers(keys.phones(uid)))
        pipe = self._redis.pipeline(transaction=True)
        for key in (key for number in phones for key in phone_keys(current().open_member(number))):
            pipe.srem(key, name_of(uid))
        for token in self.tokens(uid):
            pipe.delete(keys.inbox(token))
        pipe.delete(keys.installation(uid), keys.phones(uid), keys.undo(uid))
        pipe.srem(keys.INSTALLATIONS, name_of(uid))
        pipe.zrem(keys.LEFT, name_of(uid))
        pipe.execute()

    def link_phone(self, uid: str, number: str) -> None:
        """Bind a proven phone (E.164) to a uid. A phone may serve several uids, a uid have several phones."""
        self._bind(
            installation=keys.installation(uid),
            phone_uids=keys.phone(current().name("phone", number)),
            uid_phones=keys.phones(uid),
            uid=name_of(uid),
            number=current().member(number),
        )

    def unlink_phone(self, uid: str, number: str) -> bool:
        """Take a phone away from a uid. False when it was not linked."""
        pipe = self._redis.pipeline(transaction=True)
        for key in phone_keys(number):
            pipe.srem(key, name_of(uid))
        for same in spellings(number):
            pipe.srem(keys.phones(uid), *current().members(same))
        return any(pipe.execute())

    def with_phone(self, number: str) -> Sequence[str]:
        """The uids that proved to own this phone."""
        return _here(self._redis.sunion(phone_keys(number)))

    def with_inbox(self, tokens: Iterable[str]) -> Sequence[str]:
        """The uids to whose private addresses these tokens belong."""
        wanted = [keys.inbox(token) for token in tokens]
        return _here(self._redis.mget(wanted)) if wanted else []

    def mark_left(self, uid: str, *, now: datetime) -> None:
        """Omi refused a write because this uid has not enabled the app. The first such time is kept."""
        left = InstallationState.LEFT.value
        changed = self._change(
            installation=keys.installation(uid), left=name_of(uid), changes=["state", left, "?left_at", now.isoformat()]
        )
        if changed:
            self._redis.zadd(keys.LEFT, {name_of(uid): codec.ms(now)}, nx=True)

    def mark_enabled(self, uid: str) -> None:
        """Omi accepts writes for this uid (again)."""
        enabled = InstallationState.ENABLED.value
        self._change(installation=keys.installation(uid), left="", changes=["state", enabled, "left_at", ""])
        self._redis.zrem(keys.LEFT, name_of(uid))


def _here(names: Iterable[Any]) -> list[str]:
    """The uids among these names; the others say to which shard one has moved."""
    return sorted({uid_of(name) for each in names if each and not (name := str(each)).startswith(keys.FORWARD)})


def _searched(entry: str) -> str:
    """An entry of a list of senders as it is compared; "~" stays in front."""
    mark = "~" if entry.startswith("~") else ""
    return mark + current().name("sender", normal(entry.removeprefix("~")))


def phone_keys(number: str) -> list[str]:
    """The keys under which the uids of a phone may stand: each spelling of it, under each name."""
    return [keys.phone(name) for same in spellings(number) for name in current().names("phone", same)]


def as_installation(uid: str, raw: dict[str, str], phones: Iterable[str]) -> Installation | None:
    """From its hash and its phones; None where there is none."""
    if "created_at" not in raw:
        return None
    return Installation(
        uid=uid,
        state=InstallationState(raw["state"]),
        created_at=datetime.fromisoformat(raw["created_at"]),
        inbox_token=current().open("address", raw["inbox_token"]),
        phones=tuple(sorted(map(current().open_member, phones))),
        left_at=codec.moment(raw.get("left_at")),
        preferences=codec.load_preferences(raw.get("preferences")),
    )


def spellings(number: str) -> list[str]:
    """The ways in which one phone's number is written: Mexican and Argentine mobiles have an extra digit at times."""
    for plain, mobile in (("+52", "+521"), ("+54", "+549")):
        if number.startswith(mobile):
            return [number, plain + number[len(mobile) :]]
        if number.startswith(plain):
            return [number, mobile + number[len(plain) :]]
    return [number]


def inbox_tokens(address: str) -> list[str]:
    """What in an address may be a private token: the local part, and each part between plus signs.

    `k7…q@in.example.com`, `k7…q+note@in.example.com` and `<account>+k7…q@inbound.example.com` all carry one.
    """
    local = address.rpartition("@")[0] or address
    return [part for part in local.lower().split("+") if len(part) == TOKEN_LENGTH and part.isalnum()]
