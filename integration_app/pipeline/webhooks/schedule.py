"""When an event is tried again, and when an endpoint is given a rest or up. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from integration_app.model.webhook_events import Endpoint

AFTER = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""After the first try, the second and so on: ten in three days."""
REST = tuple(timedelta(seconds=seconds) for seconds in (0, 0, 30, 120, 600, 1800))
"""How long nothing is sent after so many failures in a row: one that is down is not knocked at for each event."""
GIVE_UP_AFTER = timedelta(days=5)
GIVE_UP_FAILURES = 10
_LONGEST = timedelta(hours=24)
_SLOWER = (429, 502, 503, 504)


def again_at(tries: int, asked: str, now: datetime, chance: float) -> datetime | None:
    """After so many tries; None when that was the last. `asked`: its Retry-After. `chance` (0 to 1) spreads."""
    if tries > len(AFTER):
        return None
    pause = AFTER[tries - 1] * (1 + chance / 5)
    return now + max(pause, retry_after(asked, now))


def rest(failures: int, status: int | None, asked: str, now: datetime) -> datetime | None:
    """Until when nothing else is sent, after so many failures in a row; None for no rest."""
    pause = REST[min(failures, len(REST)) - 1] if failures else timedelta(0)
    if status in _SLOWER:
        pause = max(pause, retry_after(asked, now), timedelta(seconds=5))
    return now + pause if pause else None


def is_given_up(endpoint: Endpoint, now: datetime) -> bool:
    since = endpoint.failing_since
    return since is not None and now - since > GIVE_UP_AFTER and endpoint.failures >= GIVE_UP_FAILURES


def retry_after(value: str, now: datetime) -> timedelta:
    """Seconds or a date, no more than a day; nothing for what is neither."""
    if value.isascii() and value.isdigit() and len(value) < 8:
        return min(timedelta(seconds=int(value)), _LONGEST)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return timedelta(0)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), _LONGEST)
