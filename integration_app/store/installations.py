"""Installations: the uids that enabled the app, their proven phones and their private inbox addresses."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Installation, InstallationState, Preferences
from integration_app.store import codec, keys

TOKEN_BYTES = 10  # 80 bits: an inbox address is a capability and must not be guessable
TOKEN_LENGTH = 16  # in base32

UID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}")

_ADD = """
-- KEYS: installation, installations, inbox · ARGV: uid, token, now iso
if redis.call('HSETNX', KEYS[1], 'inbox_token', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'state', 'enabled', 'created_at', ARGV[3])
  redis.call('SADD', KEYS[2], ARGV[1])
  redis.call('SET', KEYS[3], ARGV[1])
end
return redis.call('HGETALL', KEYS[1])
"""


class Installations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)

    def add(self, uid: str, *, now: datetime) -> Installation:
        """The installation of `uid`, made now if there is none yet, with a private inbox address."""
        if not UID_PATTERN.fullmatch(uid):
            raise ValueError("a uid is 1 to 128 letters, digits, - and _")
        token = base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
        self._add(
            keys=[keys.installation(uid), keys.INSTALLATIONS, keys.inbox(token)],
            args=[uid, token, now.isoformat()],
        )
        found = self.get(uid)
        assert found is not None  # noqa: S101 - it has just been written
        return found

    def get(self, uid: str) -> Installation | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.installation(uid))
        pipe.smembers(keys.phones(uid))
        raw, phones = pipe.execute()
        if not raw:
            return None
        return Installation(
            uid=uid,
            state=InstallationState(raw["state"]),
            created_at=datetime.fromisoformat(raw["created_at"]),
            inbox_token=raw["inbox_token"],
            phones=tuple(sorted(phones)),
            left_at=codec.moment(raw.get("left_at")),
            preferences=codec.load_preferences(raw.get("preferences")),
        )

    def all(self) -> Sequence[Installation]:
        uids = sorted(map(str, self._redis.smembers(keys.INSTALLATIONS)))
        return [found for uid in uids if (found := self.get(uid))]

    def prefer(self, uid: str, preferences: Preferences) -> None:
        """Keep how this user wants it."""
        self._redis.hset(keys.installation(uid), "preferences", codec.dump_preferences(preferences))

    def new_inbox(self, uid: str, *, keep: timedelta) -> str:
        """Another private address; the one before works for `keep` longer. Returns the new token."""
        token = base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
        before = self._redis.hget(keys.installation(uid), "inbox_token")
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(keys.inbox(token), uid)
        pipe.hset(keys.installation(uid), "inbox_token", token)
        if before:
            pipe.expire(keys.inbox(str(before)), keep)
        pipe.execute()
        return token

    def erase(self, uid: str) -> None:
        """Forget the uid, its phones and its address."""
        found = self.get(uid)
        pipe = self._redis.pipeline(transaction=True)
        for number in found.phones if found else ():
            pipe.srem(keys.phone(number), uid)
        if found:
            pipe.delete(keys.inbox(found.inbox_token))
        pipe.delete(keys.installation(uid), keys.phones(uid))
        pipe.srem(keys.INSTALLATIONS, uid)
        pipe.execute()

    def link_phone(self, uid: str, number: str) -> None:
        """Bind a proven phone (E.164) to a uid. A phone may serve several uids, a uid have several phones."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.sadd(keys.phone(number), uid)
        pipe.sadd(keys.phones(uid), number)
        pipe.execute()

    def unlink_phone(self, uid: str, number: str) -> bool:
        """Take a phone away from a uid. False when it was not linked."""
        pipe = self._redis.pipeline(transaction=True)
        for same in spellings(number):
            pipe.srem(keys.phone(same), uid)
            pipe.srem(keys.phones(uid), same)
        return any(pipe.execute())

    def with_phone(self, number: str) -> Sequence[str]:
        """The uids that proved to own this phone."""
        return sorted(map(str, self._redis.sunion([keys.phone(same) for same in spellings(number)])))

    def with_inbox(self, tokens: Iterable[str]) -> Sequence[str]:
        """The uids to whose private addresses these tokens belong."""
        wanted = [keys.inbox(token) for token in tokens]
        return sorted({str(uid) for uid in self._redis.mget(wanted) if uid}) if wanted else []

    def mark_left(self, uid: str, *, now: datetime) -> None:
        """Omi refused a write because this uid has not enabled the app. The first such time is kept."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.installation(uid), "state", InstallationState.LEFT.value)
        pipe.hsetnx(keys.installation(uid), "left_at", now.isoformat())
        pipe.execute()

    def mark_enabled(self, uid: str) -> None:
        """Omi accepts writes for this uid (again)."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.installation(uid), "state", InstallationState.ENABLED.value)
        pipe.hdel(keys.installation(uid), "left_at")
        pipe.execute()


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
