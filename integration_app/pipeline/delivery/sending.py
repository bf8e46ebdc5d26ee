"""Send one group, in named steps: compose → begin → call → decide → record."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from integration_app import logs, tracing
from integration_app.errors import LeaseLost, StoreUnfit
from integration_app.model import (
    Attempt,
    Clock,
    Delivery,
    Done,
    Drop,
    GateScope,
    Kind,
    Park,
    PreparedText,
    Reason,
    Reconcile,
    Retry,
    WaitingMessage,
    why,
)
from integration_app.omi import OmiError
from integration_app.pipeline.delivery.compose import Request
from integration_app.pipeline.delivery.destinations import Destination
from integration_app.pipeline.delivery.drain_pass import DrainPass
from integration_app.pipeline.delivery.group import Group, lane_of
from integration_app.pipeline.delivery.outcomes import Outcomes
from integration_app.pipeline.delivery.policy import Situation, counted_from, decide, is_too_late
from integration_app.pipeline.delivery.prepare import said_at
from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.rate_limiter import RateLimiter

REPLICATION_PAUSE = timedelta(seconds=5)


class Sending:
    """`lease_ms` is how long a lease holds; `chance` a random number in [0, 1)."""

    def __init__(
        self,
        *,
        omi: Destination,
        deliveries: Deliveries,
        limiter: RateLimiter,
        outcomes: Outcomes,
        rules: Rules,
        lease_ms: int,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self.omi = omi
        self._deliveries = deliveries
        self._limiter = limiter
        self._outcomes = outcomes
        self._rules = rules
        self._lease_ms = lease_ms
        self._clock = clock
        self._chance = chance

    def send(self, run: DrainPass, group: Group, *, is_last: bool) -> bool:
        """False when the group has to wait, or its outcome is unknown: then its lane waits.

        `is_last`: nothing else is left to do in this pass.
        """
        request = self._composed(run, group)
        if request is None:
            return True
        now = self._clock()
        delivery = self._delivery(run, list(group.messages), request.body, request.started_at, now)
        run.held_since = time.monotonic()
        try:
            later = self._begin(run, delivery, group.messages[0].seq, now, calls=True)
        except StoreUnfit as unfit:
            self._not_replicated(run, delivery, str(unfit), now)
            return False
        if later is not None:
            run.wakes.append(later)
            return False
        run.acted = True
        started = time.monotonic()
        error, crash = self._call(run, delivery)
        seconds = round(time.monotonic() - started, 3)
        if crash is not None:
            self._limiter.answered(ends_failures=False)  # if it was a probe, another one goes
            self._outcomes.apply(run, delivery, crash, Attempt(now, "crash", None, seconds))
            return True
        if error is None:
            arrived_at = min(item.message.received_at for item in group.messages)
            attempt = Attempt(now, "accepted", 200, seconds)
            self._outcomes.delivered(run, delivery, attempt, arrived_at=arrived_at, is_last=is_last)
            return True
        return self._failed(run, group, delivery, error, Attempt(now, error.reason, error.status, seconds))

    def confirm(self, run: DrainPass, items: list[WaitingMessage]) -> None:
        """Omi holds these already: record it, without a call."""
        for item in items:
            self.set_aside(run, [item], Done(Reason.CONFIRMED, "found in Omi after a gap of the store"))

    def _not_replicated(self, run: DrainPass, delivery: Delivery, why: str, now: datetime) -> None:
        """No call may be made: a failover would forget it. Withdrawn, and tried again a little later."""
        later = now + REPLICATION_PAUSE
        self._outcomes.apply(run, delivery, Retry(later, Reason.NOT_REPLICATED, None, why), Attempt(now, "not sent"))
        run.wakes.append(later)

    def set_aside(self, run: DrainPass, items: list[WaitingMessage], decision: Park | Drop | Done) -> None:
        """Park or drop messages without a call, through a delivery like any other, so that it is all on record."""
        run.acted = True
        now = self._clock()
        delivery = self._delivery(run, items, {}, min(said_at(item.message) for item in items), now)
        self._begin(run, delivery, items[0].seq, now, calls=False)
        self._outcomes.apply(run, delivery, decision, Attempt(now, "not sent"))

    def situation(self, run: DrainPass, delivery: Delivery) -> Situation:
        kind = delivery.lane.kind
        return Situation(
            now=self._clock(),
            kind=kind,
            first_tried_at=delivery.first_tried_at,
            tries=run.tries(GateScope.KIND, kind),
            tries_for_all=max(run.tries(GateScope.ALL, kind), run.tries(GateScope.ALL_OF_KIND, kind)),
            chance=self._chance(),
            repeatable=self.omi.repeatable(kind, long=delivery.is_long),
        )

    # --- the steps ----------------------------------------------------------------------------------------

    def _composed(self, run: DrainPass, group: Group) -> Request | None:
        language = run.installation.preferences.language if run.installation else None
        try:
            return self.omi.compose(group, language=language)
        except Exception as error:  # noqa: BLE001 - a poison message must not block those behind it
            culprits = [item for item in group.messages if not self._composes(replace(group, messages=(item,)))]
            # the others of the group leave with the next pass
            crash = Park(Reason.CRASH, logs.crash("compose", error))
            self.set_aside(run, culprits or list(group.messages), crash)
            return None

    def _composes(self, group: Group) -> bool:
        try:
            self.omi.compose(group)
        except Exception:  # noqa: BLE001 - whatever it raises, it does not compose
            return False
        return True

    def _begin(self, run: DrainPass, delivery: Delivery, seq: int, now: datetime, *, calls: bool) -> datetime | None:
        """Write it down; not before the time that is returned, where there is one."""
        made = {name: run.unsaved[name] for name in delivery.message_ids if name in run.unsaved}
        later = self._deliveries.begin(run.lease, delivery, seq=seq, now=now, calls=calls, prepared=made)
        if later is None:
            for name in made:
                del run.unsaved[name]
        return later

    def _call(self, run: DrainPass, delivery: Delivery) -> tuple[OmiError | None, Park | None]:
        """One call: Omi's error, or a crash of ours. Raises `LeaseLost`."""
        held_for = time.monotonic() - run.held_since
        if held_for > self._lease_ms / 1000 - self._rules.request_time.total_seconds():
            raise LeaseLost("stalled before a call: another worker may hold the outbox by now")
        try:
            with tracing.delivering(delivery.id, delivery.message_ids, delivery.lane.kind):
                self.omi.send(delivery)
        except OmiError as error:
            return error, None
        except Exception as error:  # noqa: BLE001 - any other exception is a decision too
            return None, Park(Reason.CRASH, logs.crash("call", error))
        return None, None

    def _failed(self, run: DrainPass, group: Group, delivery: Delivery, error: OmiError, attempt: Attempt) -> bool:
        decision = decide(error, self.situation(run, delivery), self._rules)
        self._outcomes.called(delivery, error)
        self._outcomes.apply(run, delivery, decision, attempt)
        self._outcomes.heard(run, error, delivery.uid, wrote=True)
        if isinstance(decision, Retry) and decision.scope is GateScope.KIND:
            self._give_up(run, group, why(decision))
        return not isinstance(decision, Reconcile | Retry)

    def _give_up(self, run: DrainPass, group: Group, reason: str) -> None:
        """Park what has been refused for longer than the horizon; what joined it later waits on."""
        now = self._clock()
        late = [item for item in group.messages if is_too_late(_counted(item, now), now, self._rules)]
        if late:
            self.set_aside(run, late, Park(Reason.GAVE_UP, f"gave up after {self._rules.retry_horizon}: {reason}"))

    def _delivery(
        self, run: DrainPass, items: list[WaitingMessage], body: dict[str, object], started_at: datetime, now: datetime
    ) -> Delivery:
        first = items[0]
        if first.prepared is None:
            first = replace(first, prepared=PreparedText("", Kind.CONVERSATION))
        return Delivery(
            id=f"d{secrets.token_hex(9)}",
            uid=run.lease.uid,
            lane=lane_of(first),
            message_ids=tuple(item.id for item in items),
            body=body,
            started_at=started_at,
            begun_at=now,
            first_tried_at=min((_counted(item, now) or now for item in items), default=now),
        )


def _counted(item: WaitingMessage, now: datetime) -> datetime | None:
    return counted_from(item.first_tried_at, item.tried_at, now)
