"""Requests to Omi, what holds them up, and what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from integration_app.model.lifecycle import DeliveryState, Reason
from integration_app.model.messages import Kind


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Messages of one lane leave in the order of arrival and may be grouped."""

    channel: str
    sender: str
    kind: Kind


class GateScope(StrEnum):
    """Whom a closed gate holds up."""

    KIND = "kind"  # one uid, one kind: Omi's quota
    UID = "uid"  # one uid: the user left
    ALL_OF_KIND = "all of kind"  # everybody, one kind: a capability is missing
    ALL = "all"  # everybody: our key, our app, Omi down


@dataclass(frozen=True, slots=True)
class Gate:
    """A time before which nothing is sent; `tries` counts how often in a row it was closed without a success."""

    until: datetime
    reason: Reason
    detail: str = ""
    tries: int = 1

    @property
    def why(self) -> str:
        return self.detail or self.reason.sentence


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages of one lane as one request to Omi, written down before the call.

    `body` is the exact JSON body; `started_at` with its unique microseconds plus the text is its fingerprint.
    """

    id: str
    uid: str
    lane: Lane
    message_ids: tuple[str, ...]
    body: dict[str, Any]
    started_at: datetime
    begun_at: datetime
    first_tried_at: datetime
    state: DeliveryState = DeliveryState.SENDING
    look_at: datetime | None = None
    reason: str | None = None
    cause: str | None = None
    seen: bool = False
    """Omi has shown its conversation, so it has arrived."""

    @property
    def is_long(self) -> bool:
        """A text out of which Omi takes memories itself, so that nothing in Omi carries our words."""
        return self.lane.kind is Kind.MEMORIES and bool(self.body.get("text"))

    @property
    def is_unsure(self) -> bool:
        """It may already be in Omi, and nobody could look."""
        return Reason.read(self.cause, self.reason or "") in (Reason.UNREADABLE_OUTCOME, Reason.RECORD_LOST)


@dataclass(frozen=True, slots=True)
class Made:
    """What Omi made of a conversation: words of a person, kept as long as the text."""

    title: str = ""
    overview: str = ""
    action_items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation, or an action item, that Omi holds. `text` None where Omi does not give it; then `finished_at`
    says how far it reaches.
    """

    started_at: datetime
    text: str | None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to Omi, or one read-back (`read_back`): what Omi said, never what we said."""

    at: datetime
    outcome: str
    status: int | None = None
    seconds: float | None = None
    read_back: bool = False


# --- Decisions: what `pipeline.policy` answers; `pipeline.delivery.outcomes` acts on them -------------------


@dataclass(frozen=True, slots=True)
class Done:
    reason: Reason = Reason.ACCEPTED
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Certainly not stored. The messages wait on; where `scope` is given, behind a gate that closes until `at`.

    `left`: the user has not enabled the app. `alarm`: an operator has to mend something.
    """

    at: datetime
    reason: Reason
    scope: GateScope | None = None
    detail: str = ""
    alarm: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Outcome unknown: read back from Omi before anything else, first at `look_at`.

    `gate`: reading was refused for a reason that holds up more than this delivery.
    """

    look_at: datetime
    detail: str
    gate: Retry | None = None
    reason: Reason = Reason.OUTCOME_UNKNOWN


@dataclass(frozen=True, slots=True)
class Park:
    reason: Reason
    detail: str = ""
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A rule of its user's wants it held, until they say what becomes of it."""


Decision = Done | Retry | Reconcile | Park | Drop


def why(decision: Decision) -> str:
    """The operator's sentence."""
    return decision.detail or decision.reason.sentence


BUCKETS = ("0.1", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "1800", "3600", "21600", "+Inf")
"""Seconds, as they are counted: each call and each arrival in the first that it fits."""


DOOR_BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf")
"""Likewise, for requests at our doors."""


def bucket(seconds: float, buckets: tuple[str, ...] = BUCKETS) -> str:
    return next(le for le in buckets if seconds <= float(le))
