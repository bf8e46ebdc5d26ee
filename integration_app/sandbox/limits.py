"""Omi's rate limits: fixed windows that begin with the first call. Refused calls count and do not extend the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

BASE = {
    "integration:conversations": 10,
    "integration:memories": 60,
    "dev:conversations": 25,
    "dev:memories": 120,
    "dev:memories_batch": 15,
    "dev:memories_read": 120,
    "dev:action_items_read": 120,
    "dev:action_items_write": 120,
    "dev:goals_read": 120,
    "dev:goals_write": 120,
    "dev:conversation_reads_total": 60,
    "dev:conversations_read": 60,
    "dev:conversation_detail_read": 60,
    "dev:conversation_transcript_read": 25,
    "dev:ask": 25,
}
WINDOW_SECONDS = 3600
NOTIFICATIONS_PER_HOUR = 10
SEED = {"seed:minute": (100, 60), "seed:day": (10_000, 86_400)}
"""What the published Developer page promises; used with `--strict-seed` only."""


@dataclass(frozen=True)
class Refusal:
    limit: int
    retry_after: int


@dataclass(frozen=True)
class Window:
    """After a call: the limit, what is left of it, and when the window ends (Unix seconds)."""

    limit: int
    remaining: int
    ends: float

    @property
    def refused(self) -> bool:
        return self.remaining < 0


class Limits:
    """`boost` multiplies the base limits, as Omi's own setting does."""

    def __init__(self, clock: Callable[[], float], boost: float = 1.0, *, old: bool = False) -> None:
        self.old = old
        self._clock = clock
        self.boost = boost
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self._windows: dict[str, tuple[float, int, int]] = {}
        self._hours: dict[tuple[str, int], int] = {}

    def hit(self, policy: str, subject: str) -> Refusal | None:
        """Count one call; None when it is within the limit."""
        window = self._count(policy, subject, max(1, int(BASE[policy] * self.boost)), WINDOW_SECONDS)
        return Refusal(window.limit, max(1, int(window.ends - self._clock()))) if window.refused else None

    def seed(self, policy: str, subject: str) -> Window:
        """Count one call against a limit of the published page."""
        return self._count(policy, subject, *SEED[policy])

    def _count(self, policy: str, subject: str, limit: int, seconds: int) -> Window:
        key = f"rl:{policy}:{subject}"
        now = self._clock()
        with self._lock:
            began, count, _ = self._windows.get(key, (now, 0, seconds))
            if now >= began + seconds:
                began, count = now, 0
            self._windows[key] = (began, count + 1, seconds)
        return Window(limit, limit - count - 1, began + seconds)

    def notification(self, subject: str) -> tuple[int, int, bool]:
        """Remaining calls, seconds until the UTC hour ends, and whether this one is refused.

        Ten succeed. In Omis of before September 2026 the first call sets the counter to one and then counts itself, so
        nine do.
        """
        now = self._clock()
        hour, reset = int(now // 3600), int(3600 - now % 3600)
        with self._lock:
            count = self._hours.get((subject, hour), int(self.old)) + 1
            self._hours[(subject, hour)] = count
        return max(0, NOTIFICATIONS_PER_HOUR - count), reset, count > NOTIFICATIONS_PER_HOUR

    def snapshot(self) -> dict[str, dict[str, float]]:
        now = self._clock()
        with self._lock:
            return {
                key: {"count": count, "resets_in": round(began + seconds - now, 1)}
                for key, (began, count, seconds) in self._windows.items()
                if now < began + seconds
            }
