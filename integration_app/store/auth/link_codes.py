"""Link codes: the phone that texts one is the user's."""

from __future__ import annotations

import secrets
from datetime import timedelta

from redis import Redis

from integration_app.store import keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.auth.digests import Digests

LINK_TTL = timedelta(minutes=15)
LINK_TRIES_PER_HOUR = 10
LINK_LENGTH = 6  # of 31: with ten tries an hour for each sender, no crowd of senders finds one
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that looks like something else


class LinkCodes:
    def __init__(self, redis: Redis, digests: Digests) -> None:
        self._redis = redis
        self._digests = digests

    def new(self, uid: str) -> str:
        """`LINK-7KQ4XM`: the phone that texts it is linked. One at a time for a uid."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(LINK_LENGTH))
        digest = self._digests.of("link", code)
        before = self._redis.set(keys.link_of(uid), digest, ex=LINK_TTL, get=True)
        if before:
            self._redis.delete(keys.link(str(before)))
        self._redis.set(keys.link(digest), name_of(uid), ex=LINK_TTL)
        return f"LINK-{code}"

    def has(self, uid: str, code: str) -> bool:
        """Whether `LINK-…` still works for this uid."""
        name = self._redis.get(keys.link(self._digests.of("link", code.removeprefix("LINK-"))))
        return bool(name == name_of(uid))

    def take(self, code: str, phone: str) -> str | None:
        """The uid that this code was made for, once. None for a wrong one, or after too many wrong ones."""
        if int(self._redis.get(keys.sends("link", self._digests.of("phone", phone))) or 0) >= LINK_TRIES_PER_HOUR:
            return None
        name = self._redis.getdel(keys.link(self._digests.of("link", code.upper())))
        if name is None:
            self._digests.hit(keys.sends("link", self._digests.of("phone", phone)))
            return None
        return uid_of(str(name))

    def erase(self, uid: str) -> None:
        if link := self._redis.get(keys.link_of(uid)):
            self._redis.delete(keys.link(str(link)))  # texted later, it would bring the uid back
        self._redis.delete(keys.link_of(uid))
