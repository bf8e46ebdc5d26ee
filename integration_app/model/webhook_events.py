"""What operators' endpoints can be told, and what is known of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """`accepted` and `held`: written down for a user. `linked`: a phone or chat was linked to a user. `left`: Omi
    refused a write because the user has not enabled the app, or they erased their data.
    """

    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_HELD = "message.held"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_PARKED = "message.parked"
    USER_LINKED = "user.linked"
    USER_LEFT = "user.left"
    ALERT = "alert"
    TEST = "webhook.test"


SUBSCRIBABLE = tuple(kind for kind in EventType if kind is not EventType.TEST)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the feed. `id` is the same for every endpoint and at each try; `uid` None concerns nobody alone."""

    id: str
    type: EventType
    at: datetime
    uid: str | None = None
    message: str | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`events` empty: all. `why`: why it is off. `failing_since`: no try has gone well since then; `failures`: tries in
    a row. `paused_until`: nothing is tried before.
    """

    id: str
    url: str
    events: tuple[EventType, ...]
    is_on: bool
    created_at: datetime
    why: str = ""
    failing_since: datetime | None = None
    failures: int = 0
    paused_until: datetime | None = None
    last_at: datetime | None = None
    last_outcome: str = ""

    def wants(self, kind: EventType) -> bool:
        return kind is EventType.TEST or not self.events or kind in self.events


@dataclass(frozen=True, slots=True)
class EndpointTry:
    """One try of one event. `outcome`: the status as text, or why there was none."""

    event: str
    type: str
    at: datetime
    outcome: str
    seconds: float
    is_taken: bool
