"""Replay: look at dead letters, count what sending them again would cost, and do it at a capped rate.

The same functions serve the command line and the operator's pages.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integration_app.model import Clock, Delivery, DroppedByOperator, Replayed
from integration_app.store.dead_letters import DeadLetters, ReplayStatus
from integration_app.store.gates import Gates
from integration_app.store.quota import Quotas

DEFAULT_RATE = 30.0
"""Dead letters put back per minute."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters. `reason` is a part of it, in any case; times are those of parking."""

    since: datetime | None = None
    until: datetime | None = None
    uid: str | None = None
    reason: str | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a replay would take. `calls` at the most, per kind; `over_quota` uids whose known limit is too small.

    `unsure`: how many may already be in Omi, because Omi does not let this app read, or the record is lost.
    """

    dead_letters: int
    messages: int
    uids: int
    calls: dict[str, int]
    minutes: float
    over_quota: tuple[str, ...]
    held_up: tuple[str, ...]
    unsure: int = 0


class Replays:
    def __init__(self, *, dead_letters: DeadLetters, gates: Gates, quotas: Quotas, clock: Clock) -> None:
        self._dead_letters = dead_letters
        self._gates = gates
        self._quotas = quotas
        self._clock = clock

    def find(self, selection: Selection) -> Sequence[tuple[Delivery, datetime]]:
        """Dead letters with the time at which they were parked, oldest first."""
        rows = self._dead_letters.list(since=selection.since, until=selection.until)
        return [row for row in rows if _fits(row[0], selection)]

    def cost(self, deliveries: Sequence[Delivery], rate: float = DEFAULT_RATE) -> Cost:
        """Count before doing: calls, time, and whom Omi's limits or a closed gate will hold up."""
        per_uid: dict[str, Counter[str]] = {}
        for delivery in deliveries:
            per_uid.setdefault(delivery.uid, Counter())[delivery.lane.kind.value] += 1
        now = self._clock()
        quotas = {uid: self._quotas.of(uid) for uid in per_uid}
        return Cost(
            dead_letters=len(deliveries),
            messages=sum(len(delivery.message_ids) for delivery in deliveries),
            uids=len(per_uid),
            calls=dict(sum(per_uid.values(), Counter[str]())),
            minutes=round(max(0, len(deliveries) - 1) / rate, 1),
            over_quota=tuple(
                uid
                for uid, wanted in sorted(per_uid.items())
                if any(quota.is_less_than(wanted[kind.value]) for kind, quota in quotas[uid].items())
            ),
            held_up=tuple(
                uid for uid in sorted(per_uid) if any(gate.until > now for gate in self._gates.of(uid).values())
            ),
            unsure=sum(delivery.is_unsure for delivery in deliveries),
        )

    def start(self, deliveries: Sequence[Delivery], *, by: str, rate: float = DEFAULT_RATE, blind: bool = False) -> str:
        """Send these again, `rate` a minute. Returns the replay's id, to look at it or to cancel it.

        Omi is read first, and what it holds is not sent; `blind` sends without a look, and may double.
        """
        replay_id = f"r{secrets.token_hex(6)}"
        ids = [delivery.id for delivery in deliveries]
        self._dead_letters.start(replay_id, ids, rate=rate, by=by, now=self._clock(), blind=blind)
        return replay_id

    def step(self, now: datetime) -> int:
        """Carry on what is running; every worker does."""
        return self._dead_letters.step(now=now)

    def one(self, delivery_id: str, *, by: str, blind: bool = False) -> int:
        """Send one dead letter again at once. Returns how many messages; 0 when there is no such one."""
        now = self._clock()
        return self._dead_letters.unpark(delivery_id, now=now, event=Replayed(at=now, by=by), blind=blind)

    def drop(self, delivery_id: str, *, by: str) -> bool:
        """Drop one dead letter and its text."""
        return self._dead_letters.drop(delivery_id, event=DroppedByOperator(at=self._clock(), by=by))

    def status(self, replay_id: str) -> ReplayStatus | None:
        return self._dead_letters.status(replay_id)

    def cancel(self, replay_id: str) -> bool:
        return self._dead_letters.cancel(replay_id)


def _fits(delivery: Delivery, selection: Selection) -> bool:
    return (
        (not selection.ids or delivery.id in selection.ids)
        and (not selection.uid or delivery.uid == selection.uid)
        and (not selection.reason or selection.reason.lower() in (delivery.reason or "").lower())
    )
