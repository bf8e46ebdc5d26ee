"""Omi's rate limits: fixed windows that begin with the first call. Refused calls count and do not extend the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

BASE = {"integration:conversations": 10, "integration:memories": 60}
WINDOW_SECONDS = 3600
NOTIFICATIONS_PER_HOUR = 10


@dataclass(frozen=True)
class Refusal:
    limit: int
    retry_after: int


class Limits:
    """`boost` multiplies the base limits, as Omi's own setting does."""

    def __init__(self, clock: Callable[[], float], boost: float = 1.0) -> None:
        self._clock = clock
        self.boost = boost
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        self._hours: dict[tuple[str, int], int] = {}

    def hit(self, policy: str, subject: str) -> Refusal | None:
        """Count one call; None when it is within the limit."""
        limit = max(1, int(BASE[policy] * self.boost))
        key = f"rl:{policy}:{subject}"
        now = self._clock()
        with self._lock:
            began, count = self._windows.get(key, (now, 0))
            if now >= began + WINDOW_SECONDS:
                began, count = now, 0
            self._windows[key] = (began, count + 1)
        if count + 1 <= limit:
            return None
        return Refusal(limit, max(1, int(began + WINDOW_SECONDS - now)))

    def notification(self, subject: str) -> tuple[int, int, bool]:
        """Remaining calls, seconds until the UTC hour ends, and whether this one is refused.

        The first call sets Omi's counter to one and then counts itself: nine succeed, the tenth is refused.
        """
        now = self._clock()
        hour, reset = int(now // 3600), int(3600 - now % 3600)
        with self._lock:
            count = self._hours.get((subject, hour), 1) + 1
            self._hours[(subject, hour)] = count
        return max(0, NOTIFICATIONS_PER_HOUR - count), reset, count > NOTIFICATIONS_PER_HOUR

    def snapshot(self) -> dict[str, dict[str, float]]:
        now = self._clock()
        with self._lock:
            return {
                key: {"count": count, "resets_in": round(began + WINDOW_SECONDS - now, 1)}
                for key, (began, count) in self._windows.items()
                if now < began + WINDOW_SECONDS
            }
