"""When will it leave: the groups that an outbox would send, and the time of each, without sending anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integration_app.model import (
    Clock,
    Content,
    DeliveryState,
    Installation,
    Kind,
    Lane,
    PreparedText,
    Reason,
    WaitingMessage,
)
from integration_app.pipeline.delivery.drain_pass import closed_until
from integration_app.pipeline.delivery.for_user import as_user_gets
from integration_app.pipeline.delivery.group import lane_of, plan
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.pipeline.delivery.user_rules import paced
from integration_app.pipeline.rules import Rules
from integration_app.store.inbox import Inbox
from integration_app.store.outbox import Outbox, Snapshot


@dataclass(frozen=True, slots=True)
class Estimate:
    """A group that would leave together, at `at` or soon after; `why` it has not left yet."""

    lane: Lane
    message_ids: tuple[str, ...]
    at: datetime
    reason: Reason
    detail: str = ""

    @property
    def why(self) -> str:
        return self.detail or self.reason.sentence


class Estimates:
    def __init__(
        self,
        *,
        inbox: Inbox,
        outbox: Outbox,
        rules: Rules,
        settle_pause: timedelta,
        clock: Clock,
        has_tasks: bool = False,
    ) -> None:
        self._settle_pause = settle_pause
        self._has_tasks = has_tasks
        self._inbox = inbox
        self._outbox = outbox
        self._rules = rules
        self._clock = clock

    def of(self, uid: str) -> list[Estimate]:
        """What waits for `uid`, group by group, in the order in which it would leave."""
        now, seen = self._clock(), self._outbox.peek(uid)
        waiting = [self._with_text(item, seen.installation) for item in seen.waiting]
        if seen.installation and seen.installation.preferences.paused:
            return [Estimate(lane_of(item), (item.id,), now, Reason.PAUSED) for item in waiting]
        return [*_open(seen, now), *self._groups(seen, waiting, now)]

    def _groups(self, seen: Snapshot, waiting: list[WaitingMessage], now: datetime) -> list[Estimate]:
        until, found = closed_until(seen.gates), []
        who = seen.installation
        rules = paced(self._rules, who.preferences, is_first=seen.is_first) if who else self._rules
        for group in plan(waiting, until, rules):
            times: list[tuple[datetime, Reason, str]] = []
            if (gate := until.get(group.lane.kind)) and gate > now:
                closed = next(row for row in seen.gates.values() if row.until == gate)
                times.append((gate, closed.reason, closed.detail))
            if seen.booked and seen.booked > now:
                times.append((seen.booked, Reason.FLEET_BUDGET, ""))
            if seen.epoch_at and any(0 < item.epoch < seen.epoch for item in group.messages):
                times.append((seen.epoch_at + self._settle_pause, Reason.AFTER_GAP, ""))
            times.append((group.closes_at, Reason.WAITING_FOR_MORE, ""))
            at, reason, detail = max(times, key=lambda row: row[0])  # the first of equals: a gate is the better reason
            if at <= now:
                reason, detail = Reason.TURN_HAS_COME, ""
            found.append(Estimate(group.lane, tuple(item.id for item in group.messages), max(now, at), reason, detail))
        return found

    def _with_text(self, item: WaitingMessage, installation: Installation | None) -> WaitingMessage:
        """Prepared as a drain would, and not kept: an estimate changes nothing."""
        prepared = item.prepared or self._prepared(item)
        return as_user_gets(item, prepared, installation, has_tasks=self._has_tasks, whole=self._inbox.whole)

    def _prepared(self, item: WaitingMessage) -> PreparedText:
        content = self._inbox.text(item.id)
        if isinstance(content, PreparedText):
            return content
        try:
            return prepare(replace(item.message, content=content or Content()))
        except Exception:  # noqa: BLE001 - a drain will park it; here it has no text
            return PreparedText("", Kind.CONVERSATION)


def _open(seen: Snapshot, now: datetime) -> list[Estimate]:
    """Deliveries in flight, and those of unknown outcome."""
    return [
        Estimate(
            delivery.lane,
            delivery.message_ids,
            max(now, delivery.look_at or now),
            Reason.IN_FLIGHT if delivery.state is DeliveryState.SENDING and seen.leased else Reason.OUTCOME_UNKNOWN,
        )
        for delivery in seen.open
    ]
