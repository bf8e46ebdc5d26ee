"""What proves who somebody is: login codes that Omi shows, sessions of the pages, codes to link a phone.

Codes are kept as digests under the application's secret; each step that must happen once is one atomic command.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys

CODE_TTL = timedelta(minutes=10)
CODE_TRIES = 5
SESSION_TTL = timedelta(days=30)
LINK_TTL = timedelta(minutes=15)
LINK_TRIES_PER_HOUR = 10
OPENED_TTL = timedelta(days=7)
DELIVERY_TTL = timedelta(minutes=10)
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
LINK_LENGTH = 5

_TRY_CODE = """
-- KEYS: code · ARGV: digest, tries at the most
local kept = redis.call('HGET', KEYS[1], 'digest')
if not kept then return 0 end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) > tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  return 0
end
if kept ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

_TOUCH = """
-- KEYS: sessions · ARGV: id, row. One that was ended meanwhile stays so.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    begun_at: datetime
    seen_at: datetime
    device: str


class People:
    def __init__(self, redis: Redis, secret: str, *, codes_per_hour: int) -> None:
        self._codes_per_hour = codes_per_hour
        self._redis = redis
        self._secret = secret.encode()
        self._try_code = redis.register_script(_TRY_CODE)
        self._touch = redis.register_script(_TOUCH)

    # --- opened -------------------------------------------------------------------------------------------

    def opened(self, uid: str) -> None:
        """The uid has opened the page: Omi may enable the app."""
        self._redis.set(keys.opened(self._digest("uid", uid)), 1, ex=OPENED_TTL)

    def has_opened(self, uid: str) -> bool:
        return bool(self._redis.exists(keys.opened(self._digest("uid", uid)), keys.installation(uid)))

    # --- login codes --------------------------------------------------------------------------------------

    def may_send(self, uid: str, caller: str) -> bool:
        """Count one sending of a code; False beyond so many an hour, for this uid or for this caller's address."""
        # the caller first: whoever has used up their own share cannot use up that of others
        doors = (("from", caller), ("uid", uid))
        return all(self._hit(keys.sends(door, self._digest(door, who))) <= self._codes_per_hour for door, who in doors)

    def was_not_sent(self, uid: str, caller: str) -> None:
        """Take back what `may_send` counted."""
        pipe = self._redis.pipeline(transaction=True)
        for door, who in (("from", caller), ("uid", uid)):
            pipe.decr(keys.sends(door, self._digest(door, who)))
        pipe.execute()

    def make_code(self) -> str:
        """Six digits."""
        return f"{secrets.randbelow(10**6):06d}"

    def keep_code(self, uid: str, browser: str, code: str) -> None:
        """The code that was sent for the browser that asked; its earlier one is worth nothing any more."""
        key = self._code_key(uid, browser)
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(key, mapping={"digest": self._digest("code", uid, code), "tries": 0})
        pipe.expire(key, CODE_TTL)
        pipe.sadd(keys.codes_of(self._digest("uid", uid)), key)
        pipe.expire(keys.codes_of(self._digest("uid", uid)), CODE_TTL)
        pipe.execute()

    def take_code(self, uid: str, browser: str, code: str) -> bool:
        """Whether it is the code that was sent; it works once, and five wrong tries end it."""
        key = self._code_key(uid, browser)
        return bool(self._try_code(keys=[key], args=[self._digest("code", uid, code.strip()), CODE_TRIES]))

    def _code_key(self, uid: str, browser: str) -> str:
        return keys.code(self._digest("code of", uid, browser))

    # --- sessions -----------------------------------------------------------------------------------------

    def begin_session(self, uid: str, device: str, *, now: datetime) -> str:
        session = secrets.token_urlsafe(24)
        row = codec.dumps({"begun_at": now, "seen_at": now, "device": device[:80]})
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.sessions(uid), self._digest("session", session), row)
        pipe.expire(keys.sessions(uid), SESSION_TTL)
        pipe.execute()
        return session

    def has_session(self, uid: str, session: str, *, now: datetime) -> bool:
        """Whether this session is open; one of more than thirty days is closed."""
        found = self._session(uid, self._digest("session", session))
        if found is None:
            return False
        if now - found.begun_at > SESSION_TTL:
            self.end_session(uid, found.id)
            return False
        if now - found.seen_at > timedelta(minutes=10):
            row = codec.dumps({"begun_at": found.begun_at, "seen_at": now, "device": found.device})
            self._touch(keys=[keys.sessions(uid)], args=[found.id, row])
        return True

    def sessions(self, uid: str) -> Sequence[Session]:
        ids = map(str, self._redis.hkeys(keys.sessions(uid)))
        found = [row for session in ids if (row := self._session(uid, session))]
        return sorted(found, key=lambda row: row.seen_at, reverse=True)

    def session_id(self, session: str) -> str:
        """What a session is called in lists; it opens nothing."""
        return self._digest("session", session)

    def end_session(self, uid: str, session_id: str) -> None:
        self._redis.hdel(keys.sessions(uid), session_id)

    def end_sessions(self, uid: str) -> None:
        self._redis.delete(keys.sessions(uid))

    def _session(self, uid: str, session_id: str) -> Session | None:
        raw = self._redis.hget(keys.sessions(uid), session_id)
        if not raw:
            return None
        values = codec.loads(str(raw))
        begun, seen = codec.moment(values["begun_at"]), codec.moment(values["seen_at"])
        assert begun is not None  # noqa: S101 - both were written
        assert seen is not None  # noqa: S101
        return Session(session_id, begun, seen, values["device"])

    # --- link codes ---------------------------------------------------------------------------------------

    def new_link_code(self, uid: str) -> str:
        """`LINK-7KQ4X`: whoever texts it owns the phone that it comes from. One at a time for a uid."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(LINK_LENGTH))
        digest = self._digest("link", code)
        before = self._redis.set(keys.link_of(uid), digest, ex=LINK_TTL, get=True)
        if before:
            self._redis.delete(keys.link(str(before)))
        self._redis.set(keys.link(digest), uid, ex=LINK_TTL)
        return f"LINK-{code}"

    def has_link_code(self, uid: str, code: str) -> bool:
        """Whether `LINK-…` still works for this uid."""
        return bool(self._redis.get(keys.link(self._digest("link", code.removeprefix("LINK-")))) == uid)

    def take_link_code(self, code: str, phone: str) -> str | None:
        """The uid that this code was made for, once. None for a wrong one, or after too many wrong ones."""
        if int(self._redis.get(keys.sends("link", self._digest("phone", phone))) or 0) >= LINK_TRIES_PER_HOUR:
            return None
        uid = self._redis.getdel(keys.link(self._digest("link", code.upper())))
        if uid is None:
            self._hit(keys.sends("link", self._digest("phone", phone)))
            return None
        return str(uid)

    # --- signed calls -------------------------------------------------------------------------------------

    def is_new_delivery(self, delivery: str) -> bool:
        """Whether a signed call of Omi's is seen for the first time."""
        return bool(self._redis.set(keys.delivered(self._digest("delivery", delivery)), 1, nx=True, ex=DELIVERY_TTL))

    # --- forgetting ---------------------------------------------------------------------------------------

    def erase(self, uid: str) -> int:
        digest = self._digest("uid", uid)
        if link := self._redis.get(keys.link_of(uid)):
            self._redis.delete(keys.link(str(link)))  # texted later, it would bring the uid back
        codes = map(str, self._redis.smembers(keys.codes_of(digest)))
        mine = (keys.codes_of(digest), keys.opened(digest), keys.sessions(uid), keys.link_of(uid))
        return int(self._redis.delete(*mine, *codes))

    def _hit(self, key: str) -> int:
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key, 0, nx=True, ex=3600)
        pipe.incr(key)
        return int(pipe.execute()[1])

    def _digest(self, *parts: str) -> str:
        return hmac.new(self._secret, "\x1f".join(parts).encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]
