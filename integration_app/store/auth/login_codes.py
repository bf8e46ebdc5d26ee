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
WRONG_MAX = 10
"""Wrong codes after which a uid is locked: no more codes are sent. Its owner gets one in Omi's chat, which ends it;
where there is no such chat (`can_unlock`), the lock does not grow.
"""
WRONG_TTL = timedelta(days=30)
_LOCK_HOURS_MAX = 7 * 24
_ASKS_PER_HOUR = 10
"""Of one caller and for one uid, also where Omi then refuses to show a code."""
DELIVERY_TTL = timedelta(minutes=10)


def _doors(uid: str, caller: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("from", caller), ("uid", uid)


class LoginCodes:
    def __init__(self, redis: Redis, digests: Digests, *, codes_per_hour: int, can_unlock: bool) -> None:
        self._can_unlock = can_unlock
        self._redis = redis
        self._digests = digests
        self._codes_per_hour = codes_per_hour
        self._try_code = load(redis, "try_code")

    def may_send(self, uid: str, caller: str) -> bool:
        """Count one sending of a code; False beyond so many an hour, for this uid or for this caller's address, and
        while the uid is locked.
        """
        # the caller first: one who has used up their own share cannot use up that of others
        asks = all(
            self._hit("asks of", door, who) <= max(_ASKS_PER_HOUR, self._codes_per_hour)
            for door, who in _doors(uid, caller)
        )
        if not asks or self._redis.exists(keys.locked(self._digests.of("uid", uid))):
            return False
        return all(self._hit(door, who) <= self._codes_per_hour for door, who in _doors(uid, caller))

    def was_not_sent(self, uid: str, caller: str) -> None:
        """Take back what counts codes. That they asked stays counted: each time costs a call to Omi."""
        pipe = self._redis.pipeline(transaction=True)
        for door, who in _doors(uid, caller):
            pipe.decr(keys.sends(door, self._digests.of(door, who)))
        pipe.execute()

    def _hit(self, *parts: str) -> int:
        return self._digests.hit(keys.sends(parts[0], self._digests.of(*parts[-2:])))

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
        self._redis.delete(keys.locked(self._digests.of("uid", uid)))  # the owner is there, and ends the lock
        return code

    def take_code(self, uid: str, browser: str, code: str) -> bool:
        """Whether it is the code that was sent for this browser, or told in the chat; it works once, and five wrong
        tries end it for this browser. Wrong tries of others do not, up to a hundred.
        """
        digest = self._digests.of("code", uid, code.strip())
        who = self._digests.of("uid", uid)
        by = self._digests.of("tries of", uid, browser)
        found = [
            self._try_code(
                code=self._code_key(uid, asked), digest=digest, by=by, tries_max=CODE_TRIES, total_max=CODE_TRIES_OF_ALL
            )
            for asked in (browser, CHAT)
        ]
        if 1 in found:
            self._redis.delete(keys.wrong(who), keys.locked(who))
        elif 0 in found:
            self._count_wrong(who)
        return 1 in found

    def _count_wrong(self, who: str) -> None:
        """Wrong codes in a row of one uid, by all: each ten of them lock it, for an hour, for two, for four …"""
        pipe = self._redis.pipeline(transaction=True)
        pipe.incr(keys.wrong(who))
        pipe.expire(keys.wrong(who), WRONG_TTL)
        wrong = int(pipe.execute()[0])
        if wrong % WRONG_MAX == 0:
            hours = min(2 ** (wrong // WRONG_MAX - 1), _LOCK_HOURS_MAX) if self._can_unlock else 1
            self._redis.set(keys.locked(who), 1, ex=timedelta(hours=hours))

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
        self._redis.delete(keys.codes_of(digest), keys.wrong(digest), keys.locked(digest), *codes)
