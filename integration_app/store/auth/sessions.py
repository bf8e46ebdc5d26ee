"""Sessions of a user's pages: kept as digests, so that a dump opens nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.auth.digests import Digests
from integration_app.store.scripts import load

SESSION_TTL, SESSION_IDLE = timedelta(days=30), timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    begun_at: datetime
    seen_at: datetime
    device: str


class Sessions:
    def __init__(self, redis: Redis, digests: Digests) -> None:
        self._redis = redis
        self._digests = digests
        self._touch = load(redis, "touch_session")

    def begin(self, uid: str, device: str, *, now: datetime) -> str:
        session = secrets.token_urlsafe(24)
        row = codec.dumps({"begun_at": now, "seen_at": now, "device": device[:80]})
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.sessions(uid), self._digests.of("session", session), row)
        pipe.expire(keys.sessions(uid), SESSION_TTL)
        pipe.execute()
        return session

    def has(self, uid: str, session: str, *, now: datetime) -> bool:
        """Whether this session is open; it closes after thirty days, and after two weeks without use."""
        rows = (self._session(uid, session_id) for session_id in self._digests.all_of("session", session))
        found = next((row for row in rows if row), None)
        if found is None:
            return False
        if now - found.begun_at > SESSION_TTL or now - found.seen_at > SESSION_IDLE:
            self.end(uid, found.id)
            return False
        if now - found.seen_at > timedelta(minutes=10):
            row = codec.dumps({"begun_at": found.begun_at, "seen_at": now, "device": found.device})
            self._touch(sessions=keys.sessions(uid), id=found.id, row=row)
        return True

    def list(self, uid: str) -> Sequence[Session]:
        ids = map(str, self._redis.hkeys(keys.sessions(uid)))
        found = [row for session in ids if (row := self._session(uid, session))]
        return sorted(found, key=lambda row: row.seen_at, reverse=True)

    def id_of(self, uid: str, session: str) -> str:
        """What a session is called in lists; it opens nothing."""
        names = self._digests.all_of("session", session)
        return next((name for name in names if self._redis.hexists(keys.sessions(uid), name)), names[0])

    def end(self, uid: str, session_id: str) -> None:
        self._redis.hdel(keys.sessions(uid), session_id)

    def end_all(self, uid: str) -> None:
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
