"""Digests under the application's secret, and counts that end by themselves: what all of auth is made of."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from redis import Redis


class Digests:
    """`secrets`: newest first. What lives for minutes is under the newest alone, sessions under any of them."""

    def __init__(self, redis: Redis, secrets: Sequence[str]) -> None:
        self._redis = redis
        self._secrets = [secret.encode() for secret in secrets]

    def of(self, *parts: str) -> str:
        return self.all_of(*parts)[0]

    def all_of(self, *parts: str) -> list[str]:
        """Under each secret, newest first."""
        said = "\x1f".join(parts).encode("utf-8", "replace")
        return [hmac.new(secret, said, hashlib.sha256).hexdigest()[:40] for secret in self._secrets]

    def hit(self, key: str) -> int:
        """Count one more within the running hour; how many that makes."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key, 0, nx=True, ex=3600)
        pipe.incr(key)
        return int(pipe.execute()[1])
