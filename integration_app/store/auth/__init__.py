"""What proves who is asking: login codes that Omi shows, sessions of the pages, codes that link a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis

from integration_app.store.auth.digests import Digests
from integration_app.store.auth.link_codes import LinkCodes
from integration_app.store.auth.login_codes import LoginCodes
from integration_app.store.auth.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Auth:
    login_codes: LoginCodes
    sessions: Sessions
    link_codes: LinkCodes

    @classmethod
    def of(cls, redis: Redis, secrets: Sequence[str], *, codes_per_hour: int, can_unlock: bool) -> Auth:
        digests = Digests(redis, secrets)
        login_codes = LoginCodes(redis, digests, codes_per_hour=codes_per_hour, can_unlock=can_unlock)
        return cls(login_codes, Sessions(redis, digests), LinkCodes(redis, digests))

    def is_new_code(self, code: str) -> bool:
        """Whether a second factor is used for the first time."""
        return self.login_codes.is_new_delivery(f"second factor {code}")

    def erase(self, uid: str) -> None:
        self.login_codes.erase(uid)
        self.sessions.end_all(uid)
        self.link_codes.erase(uid)
