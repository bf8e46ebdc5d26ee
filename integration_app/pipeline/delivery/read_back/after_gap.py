"""After a gap of Redis: what Omi may hold although the store forgot it is looked up before anything of it is sent."""

from __future__ import annotations

from datetime import datetime

from integration_app.model import Clock, GateScope, Kind, Park, WaitingMessage
from integration_app.omi import AppMisconfigured, OmiError
from integration_app.pipeline.delivery.drain_pass import DrainPass
from integration_app.pipeline.delivery.outcomes import Outcomes
from integration_app.pipeline.delivery.policy import MAY_BE_THERE, Situation, look_failed
from integration_app.pipeline.delivery.read_back.look_back import LookBack, suspects
from integration_app.pipeline.delivery.sending import Sending
from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.health import Health
from integration_app.store.rate_limiter import RateLimiter


class AfterGap:
    def __init__(
        self,
        *,
        look_back: LookBack,
        sending: Sending,
        outcomes: Outcomes,
        deliveries: Deliveries,
        due: DueSet,
        limiter: RateLimiter,
        health: Health,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._look_back = look_back
        self._sending = sending
        self._outcomes = outcomes
        self._deliveries = deliveries
        self._due = due
        self._limiter = limiter
        self._health = health
        self._rules = rules
        self._clock = clock

    def sift(self, run: DrainPass, waiting: list[WaitingMessage]) -> list[WaitingMessage]:
        """Without what Omi holds although the store forgot it. What cannot be looked up waits, with all behind it."""
        epoch, omi = run.snapshot.epoch, self._sending.omi
        unsure = suspects(waiting, epoch, omi)
        if not unsure:
            return waiting
        now = self._clock()
        later = self._look_at(run, unsure, now)
        if later is None:
            self._due.renew(run.lease, now=now)
            try:
                found, unclear = self._look_back.found(run.lease.uid, unsure, self._gap_over(run) or now)
            except AppMisconfigured:
                # the app may not read: there is no way to find out, and most gaps lose nothing
                self._health.alarm("after a gap of Redis Omi could not be read: something may be doubled", now=now)
                self._outcomes.heard(run, None, run.lease.uid, wrote=False)
                found, unclear = [], []
            except OmiError as error:
                self._outcomes.heard(run, error, run.lease.uid, wrote=False)
                later = self._look_failed(run, unsure, error, now)
                if later is None:
                    return [item for item in waiting if item not in unsure]
            else:
                self._outcomes.heard(run, None, run.lease.uid, wrote=False)
        if later is not None:
            run.blocked = True
            run.wakes.append(later)
            first = unsure[0].seq
            return [item for item in waiting if item.seq < first and not _clouds(item, unsure)]
        self._look_back.checked(run.lease, [item for item in unsure if item not in found], epoch)
        if found:
            self._sending.confirm(run, found)
        for item in unclear:
            self._sending.set_aside(run, [item], MAY_BE_THERE)
        return [item for item in waiting if item not in (*found, *unclear)]

    def _look_at(self, run: DrainPass, unsure: list[WaitingMessage], now: datetime) -> datetime | None:
        """When Omi is to be read; None at once. Not while a call of before the gap may still turn up in Omi."""
        gap_over = self._gap_over(run)
        settled_at = gap_over if gap_over and any(item.epoch for item in unsure) else now
        at = max(settled_at, run.gate_until(Kind.CONVERSATION, now))
        return at if at > now else self._limiter.acquire(run.lease.uid, Kind.CONVERSATION, now=now)

    def _gap_over(self, run: DrainPass) -> datetime | None:
        """From when nothing of before the gap can turn up in Omi any more."""
        epoch_at = run.snapshot.epoch_at
        return epoch_at + self._deliveries.settle_pause if epoch_at else None

    def _look_failed(
        self, run: DrainPass, unsure: list[WaitingMessage], error: OmiError, now: datetime
    ) -> datetime | None:
        """When to read again; None when that is given up, and what is unsure is parked."""
        tries = max(run.tries(GateScope.ALL, Kind.CONVERSATION), run.tries(GateScope.ALL_OF_KIND, Kind.CONVERSATION))
        at = Situation(now, Kind.CONVERSATION, run.snapshot.epoch_at or now, tries_for_all=tries)
        decision = look_failed(error, at, self._rules)
        if isinstance(decision, Park):
            self._sending.set_aside(run, unsure, decision)
            return None
        if decision.gate is not None:
            self._outcomes.close(run, decision.gate, Kind.CONVERSATION)
        return decision.look_at


def _clouds(item: WaitingMessage, unsure: list[WaitingMessage]) -> bool:
    """Whether memories of this one would be taken for those of a long text that is to be looked for."""
    kinds = {other.prepared.kind for other in unsure if other.prepared}
    return Kind.MEMORIES in kinds and item.prepared is not None and item.prepared.kind is Kind.MEMORIES
