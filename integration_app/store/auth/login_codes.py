"""Login codes that Omi shows to the owner of an account, and what a uid has to do before it gets one.

A code is kept as a digest; trying it is one atomic script.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from redis import Redis

from integration_app.store import keys
from integration_app.store.auth.digests import Digests
from integration_app.store.scripts import load

CODE_TTL = timedelta(minutes=10)
CODE_TRIES = 5
CODE_TRIES_OF_ALL = 100
CHAT = "chat"
"""In the place of a browser, for a code that is told in Omi's chat."""
OPENED_TTL = timedelta(days=7)
DELIVERY_TTL = timedelta(minutes=10)


class LoginCodes:
    def __init__(self, redis: Redis, digests: Digests, *, codes_per_hour: int) -> None:
        self._redis = redis
        self._digests = digests
        self._codes_per_hour = codes_per_hour
        self._try_code = load(redis, "try_code")

    def opened(self, uid: str) -> None:
        """The uid has opened the page: Omi may enable the app."""
        self._redis.set(keys.opened(self._digests.of("uid", uid)), 1, ex=OPENED_TTL)

    def has_opened(self, uid: str) -> bool:
        return bool(self._redis.exists(keys.opened(self._digests.of("uid", uid)), keys.installation(uid)))

    def may_send(self, uid: str, caller: str) -> bool:
        """Count one sending of a code; False beyond so many an hour, for this uid or for this caller's address."""
        # the caller first: one who has used up their own share cannot use up that of others
        doors = (("from", caller), ("uid", uid))
        return all(
            self._digests.hit(keys.sends(door, self._digests.of(door, who))) <= self._codes_per_hour
            for door, who in doors
        )

    def was_not_sent(self, uid: str, caller: str) -> None:
        """Take back what `may_send` counted."""
        pipe = self._redis.pipeline(transaction=True)
        for door, who in (("from", caller), ("uid", uid)):
            pipe.decr(keys.sends(door, self._digests.of(door, who)))
        pipe.execute()

    def make_code(self) -> str:
        """Six digits."""
        return f"{secrets.randbelow(10**6):06d}"

    def keep_code(self, uid: str, browser: str, code: str) -> None:
        """The code that was sent for the browser that asked; its earlier one is worth nothing any more."""
        key = self._code_key(uid, browser)
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(key, mapping={"digest": self._digests.of("code", uid, code), "tries": 0})
        pipe.expire(key, CODE_TTL)
        pipe.sadd(keys.codes_of(self._digests.of("uid", uid)), key)
        pipe.expire(keys.codes_of(self._digests.of("uid", uid)), CODE_TTL)
        pipe.execute()

    def code_for_chat(self, uid: str) -> str | None:
        """A code that the user is told in Omi's chat, for any browser; None beyond so many an hour."""
        door = "chat"
        if self._digests.hit(keys.sends(door, self._digests.of(door, uid))) > self._codes_per_hour:
            return None
        code = self.make_code()
        self.keep_code(uid, CHAT, code)
        return code

    def take_code(self, uid: str, browser: str, code: str) -> bool:
        """Whether it is the code that was sent for this browser, or told in the chat; it works once, and five wrong
        tries end it for this browser. Wrong tries of others do not, up to a hundred.
        """
        digest = self._digests.of("code", uid, code.strip())
        by = self._digests.of("tries of", uid, browser)
        return any(
            self._try_code(
                code=self._code_key(uid, asked), digest=digest, by=by, tries_max=CODE_TRIES, total_max=CODE_TRIES_OF_ALL
            )
            for asked in (browser, CHAT)
        )

    def _code_key(self, uid: str, browser: str) -> str:
        return keys.code(self._digests.of("code of", uid, browser))

    def is_new_delivery(self, delivery: str) -> bool:
        """Whether a signed call of Omi's is seen for the first time."""
        return bool(
            self._redis.set(keys.delivered(self._digests.of("delivery", delivery)), 1, nx=True, ex=DELIVERY_TTL)
        )

    def erase(self, uid: str) -> None:
        digest = self._digests.of("uid", uid)
        codes = map(str, self._redis.smembers(keys.codes_of(digest)))
        self._redis.delete(keys.codes_of(digest), keys.opened(digest), *codes)
