"""Empty one outbox: the one thing a worker does.

The life of a drain: take the lease → settle what has an unknown outcome → prepare → group → for each group that is
complete and whose gate is open: compose, write it down, call Omi, decide, record → say when to look next.
Whatever dies in between, the lease runs out and the next drain begins at the top.
"""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from integration_app import logs
from integration_app.errors import LeaseLost
from integration_app.model import (
    Attempt,
    Clock,
    Content,
    Delivery,
    Drop,
    GateScope,
    Installation,
    Kind,
    Lane,
    Park,
    PreparedText,
    Reconcile,
    Retry,
    WaitingMessage,
)
from integration_app.omi import OmiError
from integration_app.pipeline.compose import parts_of
from integration_app.pipeline.destination import Destination
from integration_app.pipeline.group import Group, lane_of, plan
from integration_app.pipeline.look import Look, closed_until
from integration_app.pipeline.outcome import Outcomes
from integration_app.pipeline.policy import Situation, counted_from, decide, is_too_late
from integration_app.pipeline.prepare import for_user, prepare, said_at
from integration_app.pipeline.reconcile import reconcile
from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.inbox import Inbox
from integration_app.store.looks import Looks, Sight
from integration_app.store.traffic import Traffic

log = logs.get(__name__)

PAUSED_SEQ = 2**53
"""No message is newer: an outbox that its owner has paused is not looked at until they resume."""


class Drain:
    def __init__(
        self,
        *,
        omi: Destination,
        inbox: Inbox,
        looks: Looks,
        due: DueSet,
        deliveries: Deliveries,
        traffic: Traffic,
        outcomes: Outcomes,
        rules: Rules,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._omi = omi
        self._inbox = inbox
        self._looks = looks
        self._due = due
        self._deliveries = deliveries
        self._traffic = traffic
        self._outcomes = outcomes
        self._rules = rules
        self._clock = clock
        self._chance = chance

    def run(self, uid: str) -> None:
        """Send what can be sent of one uid's outbox. Does nothing while another worker holds it."""
        sight = self._looks.take(uid, now=self._clock(), salt=secrets.token_hex(4))
        if sight is None:
            return
        try:
            self._run(_look(sight))
        except LeaseLost:
            log.warning("lease lost", uid=uid)

    def _run(self, look: Look) -> None:
        give_up_at = time.monotonic() + self._rules.drain_budget.total_seconds()
        while True:
            if look.installation and look.installation.preferences.paused:
                self._due.release(look.lease, next_at=None, last_seq=PAUSED_SEQ, now=self._clock())
                return
            self._step(look, give_up_at)
            if look.released:
                return
            self._save_rest(look)
            next_at: datetime | None
            if not look.acted:
                next_at = min(look.wakes, default=None)
            elif time.monotonic() >= give_up_at:
                next_at = self._clock()
            else:
                look = _look(self._looks.again(look.lease))
                continue
            self._due.release(look.lease, next_at=next_at, last_seq=look.view.last_seq, now=self._clock())
            return

    def _step(self, look: Look, give_up_at: float) -> None:
        busy = {delivery.lane for delivery in look.view.open if not self._settle_open(look, delivery, give_up_at)}
        if look.acted:
            return  # what was settled may wait again: look anew, or a newer text could overtake it
        while True:
            self._send_ready(look, busy, give_up_at)
            if look.acted or not look.view.more:
                return
            # everything so far waits; what lies behind it may be of another lane
            self._save_rest(look)
            look.view = self._looks.again(look.lease, after=look.view.last_seq).view

    def _send_ready(self, look: Look, busy: set[Lane], give_up_at: float) -> None:
        waiting = [ready for item in self._still_wanted(look) if (ready := self._prepared(look, item))]
        groups = plan(waiting, closed_until(look.gates), self._rules)
        for group in groups:
            if group.lane in busy:
                continue
            now = self._clock()
            ready_at = max(group.closes_at, look.gate_until(group.lane.kind, now))
            if ready_at > now:
                look.wakes.append(ready_at)
                busy.add(group.lane)  # retries never overtake, and nothing overtakes them
            elif time.monotonic() < give_up_at:
                is_last = group is groups[-1] and not (busy or look.wakes or look.view.more)
                if not self._deliver(look, group, is_last=is_last):
                    busy.add(group.lane)
            else:
                look.acted = True
                return

    # --- unknown outcomes ---------------------------------------------------------------------------------

    def _settle_open(self, look: Look, delivery: Delivery, give_up_at: float) -> bool:
        """Find out what became of a delivery. True when it is settled, and its lane free again."""
        now = self._clock()
        look_at = max(delivery.look_at or now, look.gate_until(delivery.lane.kind, now))
        if look_at > now:
            look.wakes.append(look_at)
            return False
        if time.monotonic() >= give_up_at:
            look.wakes.append(now)
            return False
        if not self._admitted(look, delivery.lane.kind):
            return False
        self._due.renew(look.lease, now=now)
        started = time.monotonic()
        situation = self._situation(look, delivery.lane.kind, delivery.first_tried_at)
        settles_in = self._deliveries.settles_in(delivery)  # asked first: what turns up meanwhile is found
        decision, called, error = reconcile(delivery, self._omi, self._rules, situation, settles_in)
        attempt = Attempt(now, "looked into Omi", None, round(time.monotonic() - started, 3), looked=True)
        self._outcomes.apply(look, delivery, decision, attempt)
        if called:
            self._outcomes.heard(look, error, delivery.uid, wrote=False)
        if isinstance(decision, Reconcile):
            look.wakes.append(decision.look_at)
            return False
        look.acted = True
        return True

    # --- sending ------------------------------------------------------------------------------------------

    def _prepared(self, look: Look, item: WaitingMessage) -> WaitingMessage | None:
        """The message with its text; None when it has none, or when making it failed: then it is parked."""
        if item.prepared is None:
            said = item.content or self._inbox.said(item.id)
            if said is None:
                self._set_aside(look, [item], Park("its text is gone"))
                return None
            try:
                parts = [said] if isinstance(said, PreparedText) else _parts(item, said)
            except Exception as error:  # noqa: BLE001 - a poison message must not block those behind it
                self._set_aside(look, [item], Park(_crash("prepare", error)))
                return None
            if len(parts) == 1:
                look.unsaved[item.id] = parts[0]  # kept in the step that writes its delivery down
                item = replace(item, prepared=parts[0])
            else:
                item = replace(item, prepared=self._inbox.save_prepared(item.id, parts, now=self._clock()))
        assert item.prepared is not None  # noqa: S101 - it has just been made
        ready = replace(
            item, prepared=for_user(item.prepared, item.message, look.installation, has_tasks=self._omi.is_personal)
        )
        if reason := _unwanted(ready.prepared, look.installation):
            self._set_aside(look, [ready], Drop(reason))
            return None
        return ready

    def _save_rest(self, look: Look) -> None:
        """Keep the texts of what does not leave yet, and let go of the raw contents."""
        for message_id, prepared in look.unsaved.items():
            self._inbox.save_prepared(message_id, [prepared], now=self._clock())
        look.unsaved.clear()

    def _begin(self, look: Look, delivery: Delivery, seq: int, now: datetime, *, calls: bool) -> datetime | None:
        """Write it down; not before the time that is returned, where there is one."""
        made = {name: look.unsaved[name] for name in delivery.message_ids if name in look.unsaved}
        later = self._deliveries.begin(look.lease, delivery, seq=seq, now=now, calls=calls, prepared=made)
        if later is None:
            for name in made:
                del look.unsaved[name]
        return later

    def _deliver(self, look: Look, group: Group, *, is_last: bool) -> bool:
        """Send one group. False when it has to wait, or its outcome is unknown: then its lane waits.

        `is_last`: nothing else is left to do in this look.
        """
        try:
            request = self._omi.compose(group, language=_language(look.installation))
        except Exception as crash:  # noqa: BLE001 - as above
            look.acted = True
            self._park_culprits(look, group, _crash("compose", crash))
            return True
        now = self._clock()
        delivery = self._delivery(look, list(group.messages), request.body, request.started_at, now)
        look.held_since = time.monotonic()
        later = self._begin(look, delivery, group.messages[0].seq, now, calls=True)
        if later is not None:
            look.wakes.append(later)
            return False
        look.acted = True
        started = time.monotonic()
        error: OmiError | None = None
        try:
            self._call(look, delivery)
        except OmiError as failure:
            error = failure
        except LeaseLost:
            raise
        except Exception as crash:  # noqa: BLE001 - any other exception is a decision too
            self._traffic.answered(ends_failures=False)  # if it was a probe, another one goes
            attempt = Attempt(now, "crash", None, round(time.monotonic() - started, 3))
            self._outcomes.apply(look, delivery, Park(_crash("call", crash)), attempt)
            return True
        seconds = round(time.monotonic() - started, 3)
        decision = decide(error, self._situation(look, group.lane.kind, delivery.first_tried_at), self._rules)
        if error is None:
            self._outcomes.delivered(look, delivery, Attempt(now, "accepted", 200, seconds), is_last=is_last)
            return True
        self._outcomes.called(delivery, error)
        attempt = Attempt(now, error.reason, error.status, seconds)
        self._outcomes.apply(look, delivery, decision, attempt)
        self._outcomes.heard(look, error, delivery.uid, wrote=True)
        if isinstance(decision, Retry) and decision.scope is GateScope.KIND:
            self._give_up(look, group, decision.reason)
        return not isinstance(decision, Reconcile | Retry)

    def _give_up(self, look: Look, group: Group, reason: str) -> None:
        """Park what has been refused for longer than the horizon; what joined it later waits on."""
        now = self._clock()
        late = [item for item in group.messages if is_too_late(_counted(item, now), now, self._rules)]
        if late:
            self._set_aside(look, late, Park(f"gave up after {self._rules.retry_horizon}: {reason}"))

    def _admitted(self, look: Look, kind: Kind) -> bool:
        """Whether a call may be made now, by the gate for everybody and the fleet's budget."""
        at = self._traffic.admit(look.lease.uid, kind, now=self._clock())
        if at:
            look.wakes.append(at)
        return at is None

    def _call(self, look: Look, delivery: Delivery) -> None:
        if time.monotonic() - look.held_since > self._due.lease_ms / 1000 - self._rules.request_time.total_seconds():
            raise LeaseLost("stalled before a call: somebody else may be at it by now")
        self._omi.send(delivery)

    def _situation(self, look: Look, kind: Kind, first_tried_at: datetime) -> Situation:
        return Situation(
            now=self._clock(),
            kind=kind,
            first_tried_at=first_tried_at,
            tries=look.tries(GateScope.KIND, kind),
            tries_for_all=max(look.tries(GateScope.ALL, kind), look.tries(GateScope.ALL_OF_KIND, kind)),
            chance=self._chance(),
            repeatable=self._omi.repeatable(kind),
        )

    # --- what is not sent ---------------------------------------------------------------------------------

    def _still_wanted(self, look: Look) -> list[WaitingMessage]:
        """What waits, without what was kept long enough for a user who left; that is dropped."""
        left_at = look.installation.left_at if look.installation else None
        gate = look.gates.get(GateScope.UID.value)
        if left_at is None or gate is None or gate.until <= self._clock():
            return list(look.view.waiting)  # it is time to try again: the user may be back
        oldest = self._clock() - self._rules.left_retention
        gone = [item for item in look.view.waiting if max(item.message.received_at, left_at) < oldest]
        if gone:
            self._set_aside(look, gone, Drop("the user left and did not return in time"))
        return [item for item in look.view.waiting if item not in gone]

    def _park_culprits(self, look: Look, group: Group, reason: str) -> None:
        """Park the messages that make composing fail; the others of the group leave with the next pass."""
        culprits = [item for item in group.messages if not self._composes(replace(group, messages=(item,)))]
        self._set_aside(look, culprits or list(group.messages), Park(reason))

    def _composes(self, group: Group) -> bool:
        try:
            self._omi.compose(group)
        except Exception:  # noqa: BLE001 - whatever it raises, it does not compose
            return False
        return True

    def _set_aside(self, look: Look, items: list[WaitingMessage], decision: Park | Drop) -> None:
        """Park or drop messages without a call, through a delivery like any other, so that it is all on record."""
        look.acted = True
        now = self._clock()
        delivery = self._delivery(look, items, {}, min(said_at(item.message) for item in items), now)
        self._begin(look, delivery, items[0].seq, now, calls=False)
        self._outcomes.apply(look, delivery, decision, Attempt(now, "not sent"))

    def _delivery(
        self,
        look: Look,
        items: list[WaitingMessage],
        body: dict[str, object],
        started_at: datetime,
        now: datetime,
    ) -> Delivery:
        first = items[0]
        if first.prepared is None:
            first = WaitingMessage(first.id, first.seq, first.message, PreparedText("", Kind.CONVERSATION))
        return Delivery(
            id=f"d{secrets.token_hex(9)}",
            uid=look.lease.uid,
            lane=lane_of(first),
            message_ids=tuple(item.id for item in items),
            body=body,
            started_at=started_at,
            begun_at=now,
            first_tried_at=min((_counted(item, now) or now for item in items), default=now),
        )


def _look(sight: Sight) -> Look:
    return Look(lease=sight.lease, view=sight.view, gates=sight.gates, installation=sight.installation)


def _counted(item: WaitingMessage, now: datetime) -> datetime | None:
    return counted_from(item.first_tried_at, item.tried_at, now)


def _parts(item: WaitingMessage, content: Content) -> list[PreparedText]:
    return parts_of(prepare(replace(item.message, content=content)))


def _unwanted(prepared: PreparedText | None, installation: Installation | None) -> str | None:
    """Why a prepared message is recorded and not forwarded."""
    if prepared is None or (not prepared.text.strip() and not prepared.head):
        return "nothing readable in it"
    if prepared.automatic and not (installation and installation.preferences.automatic):
        return f"nobody's own words: {prepared.automatic}"
    return None


def _language(installation: Installation | None) -> str | None:
    return installation.preferences.language if installation else None


def _crash(where: str, error: BaseException) -> str:
    """Type and place of a crash; never its text, which may repeat what somebody wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
    log.error("crash", where=where, error=type(error).__name__, place=place)
    return f"crash in {where}: {type(error).__name__} at {place}"
