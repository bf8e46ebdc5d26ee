"""Digests under the application's secret, and counts that end by themselves: what all of auth is made of."""

from __future__ import annotations

import hashlib
import hmac

from redis import Redis


class Digests:
    def __init__(self, redis: Redis, secret: str) -> None:
        self._redis = redis
        self._secret = secret.encode()

    def of(self, *parts: str) -> str:
        return hmac.new(self._secret, "\x1f".join(parts).encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]

    def hit(self, key: str) -> int:
        """Count one more within the running hour; how many that makes."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key, 0, nx=True, ex=3600)
        pipe.incr(key)
        return int(pipe.execute()[1])
