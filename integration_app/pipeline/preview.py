"""When will it land: the groups that an outbox would send, and the time of each, without sending anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from integration_app.model import Clock, Content, Installation, Kind, Lane, PreparedText, WaitingMessage
from integration_app.pipeline.group import lane_of, plan
from integration_app.pipeline.look import closed_until
from integration_app.pipeline.prepare import for_user, prepare
from integration_app.pipeline.rules import Rules
from integration_app.store.gates import Gates
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations
from integration_app.store.outbox import Outbox
from integration_app.store.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Landing:
    """A group that would leave together, at `at` or soon after; `why` it has not left yet."""

    lane: Lane
    message_ids: tuple[str, ...]
    at: datetime
    why: str


class Previews:
    def __init__(
        self,
        *,
        inbox: Inbox,
        outbox: Outbox,
        installations: Installations,
        gates: Gates,
        traffic: Traffic,
        rules: Rules,
        clock: Clock,
        has_tasks: bool = False,
    ) -> None:
        self._has_tasks = has_tasks
        self._inbox = inbox
        self._outbox = outbox
        self._installations = installations
        self._gates = gates
        self._traffic = traffic
        self._rules = rules
        self._clock = clock

    def of(self, uid: str) -> list[Landing]:
        """What waits for `uid`, group by group, in the order in which it would leave."""
        now = self._clock()
        view, gates, booked = self._outbox.view(uid), self._gates.of(uid), self._traffic.booked(uid)
        until, installation = closed_until(gates), self._installations.get(uid)
        if installation and installation.preferences.paused:
            return [
                Landing(lane_of(ready), (ready.id,), now, "paused by the user")
                for item in view.waiting
                if (ready := self._with_text(item, installation))
            ]
        landings = [
            Landing(
                delivery.lane,
                delivery.message_ids,
                max(now, delivery.look_at or now),
                "outcome unknown: Omi will be read before anything is sent again",
            )
            for delivery in view.open
        ]
        for group in plan([self._with_text(item, installation) for item in view.waiting], until, self._rules):
            times: dict[str, datetime] = {}
            if (gate := until.get(group.lane.kind)) and gate > now:
                closed = [row for row in gates.values() if row.until == gate]
                times[closed[0].reason] = gate
            if booked and booked > now:
                times["the fleet's budget of requests"] = booked
            times["waiting for more"] = group.closes_at  # last: a closed gate is the better reason for the same time
            why, at = max(times.items(), key=lambda row: row[1])
            why = "its turn has come" if at <= now else why
            landings.append(Landing(group.lane, tuple(item.id for item in group.messages), max(now, at), why))
        return landings

    def _with_text(self, item: WaitingMessage, installation: Installation | None) -> WaitingMessage:
        """Prepared as a drain would, and not kept: a preview changes nothing."""
        prepared = item.prepared or self._prepared(item)
        return replace(item, prepared=for_user(prepared, item.message, installation, has_tasks=self._has_tasks))

    def _prepared(self, item: WaitingMessage) -> PreparedText:
        said = self._inbox.said(item.id)
        if isinstance(said, PreparedText):
            return said
        try:
            return prepare(replace(item.message, content=said or Content()))
        except Exception:  # noqa: BLE001 - a drain will park it; here it has no text
            return PreparedText("", Kind.CONVERSATION)
