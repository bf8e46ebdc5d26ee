"""How long the doors take, for all processes together: gathered in each, added to Redis' counters now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter

from redis.exceptions import RedisError

from integration_app.model import DOOR_BUCKETS, bucket
from integration_app.store.health import Health

FLUSH_SECONDS = 5.0
"""What a process has gathered since then is lost with it."""


class DoorTimes:
    def __init__(self, health: Health) -> None:
        self._health = health
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._flushed = time.monotonic()

    def took(self, seconds: float) -> None:
        """One request was answered after so long."""
        with self._lock:
            self._counts[f"seconds:door:{bucket(seconds, DOOR_BUCKETS)}"] += 1
            if time.monotonic() - self._flushed < FLUSH_SECONDS:
                return
            counts, self._counts = self._counts, Counter()
            self._flushed = time.monotonic()
        threading.Thread(target=self._add, args=(counts,), daemon=True).start()  # no answer waits for it

    def _add(self, counts: Counter[str]) -> None:
        try:
            self._health.add(counts)
        except (RedisError, OSError):
            with self._lock:
                self._counts += counts
