"""The feed: what happened, for operators' endpoints to be told.

An event is written into it in the step that makes it true (lua/includes/feed.lua), where there is any endpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.model.webhook_events import EventType, FeedEvent
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.scripts import load

KEPT = timedelta(days=7)
"""Longer than the last try of an event."""
_PREFIX = "evt_"
_ID = re.compile(r"evt_(\d{1,15}-\d{1,10})(|-\d{1,3})")
_KNOWN = frozenset(kind.value for kind in EventType)


class Feed:
    """`number`: that of its shard; events of two have ids of their own."""

    def __init__(self, redis: Redis, number: int = 0) -> None:
        self._redis = redis
        self._mark = f"-{number}" if number else ""
        self._tell = load(redis, "feed")

    def tell(self, kind: EventType, uid: str | None, data: dict[str, Any] | None = None, *, now: datetime) -> None:
        """Something happened that is no message."""
        name = name_of(uid) if uid else ""
        self._tell(type=kind.value, uid=name, at=codec.ms(now), data=json.dumps(data) if data else "")

    def test(self, endpoint: str, *, now: datetime) -> str:
        """An event for this endpoint alone; its id."""
        text = json.dumps({"text": "This is a test of Omi Inbox."})
        row: dict[str, Any] = {"type": EventType.TEST.value, "at": codec.ms(now), "data": text, "to": endpoint}
        made = str(self._redis.xadd(keys.FEED, row))  # type: ignore[arg-type]
        self._redis.zadd(keys.DUE_ENDPOINTS, {endpoint: 0})
        return self.id_at(made)

    def last(self) -> str:
        """The newest place; what comes is behind it."""
        rows: Any = self._redis.xrevrange(keys.FEED, count=1)
        return str(rows[0][0]) if rows else "0-0"

    def new(self, endpoint: str, cursor: str, limit: int) -> Sequence[tuple[str, FeedEvent | None]]:
        """Behind the cursor, in order: their places, and what they are; None for what another version wrote, or another
        endpoint is to be told.
        """
        rows = self._between(f"({cursor}", "+", limit)
        return [(place, self._event(place, row, endpoint)) for place, row in rows]

    def event(self, endpoint: str, place: str) -> FeedEvent | None:
        """None where the feed does not hold it any more."""
        rows = self._between(place, place, 1)
        return self._event(place, rows[0][1], endpoint) if rows else None

    def _between(self, first: str, last: str, limit: int) -> list[tuple[str, dict[str, str]]]:
        found: Any = self._redis.xrange(keys.FEED, first, last, count=limit)
        return [(str(place), texts(row or {})) for place, row in found]

    def trim(self, *, before: datetime) -> None:
        """Forget what is older, also what could not be told."""
        self._redis.xtrim(keys.FEED, minid=codec.ms(before))
        for endpoint in map(str, self._redis.smembers(keys.ENDPOINTS)):
            self._redis.zremrangebyscore(keys.endpoint_failed(endpoint), "-inf", codec.ms(before))

    def erase(self, uid: str) -> None:
        """Take this uid out of the feed."""
        name, last = name_of(uid), "-"
        while rows := self._between(last, "+", 1000):
            if gone := [place for place, row in rows if row.get("uid") == name]:
                self._redis.xdel(keys.FEED, *gone)
            last = f"({rows[-1][0]}"

    def id_at(self, place: str) -> str:
        """The id of the event at this place."""
        return f"{_PREFIX}{place}{self._mark}"

    def place_of(self, event: str) -> str | None:
        """Where the event with this id stands in this feed; None for what is no id, or another feed's."""
        found = _ID.fullmatch(event)
        return found[1] if found and found[2] == self._mark else None

    def _event(self, place: str, row: dict[str, str], endpoint: str) -> FeedEvent | None:
        if row.get("type") not in _KNOWN or row.get("to", endpoint) != endpoint:
            return None
        try:
            return FeedEvent(
                id=self.id_at(place),
                type=EventType(row["type"]),
                at=codec.from_ms(row.get("at") or place.partition("-")[0]),
                uid=uid_of(row["uid"]) if row.get("uid") else None,
                message=row.get("message") or None,
                data=json.loads(row["data"]) if row.get("data") else None,
            )
        except (ValueError, OverflowError, OSError):
            return None


def texts(row: Mapping[Any, Any]) -> dict[str, str]:
    """As text, whatever the client's types say."""
    return {str(name): str(value) for name, value in row.items()}
