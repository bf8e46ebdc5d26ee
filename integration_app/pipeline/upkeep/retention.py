"""Retention: what Redis does not expire. Texts carry a time to live; the lists that name them do not."""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_app.pipeline.rules import Rules
from integration_app.pipeline.upkeep.erasure import Erasure
from integration_app.store.deliveries import Deliveries
from integration_app.store.health import Health
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations
from integration_app.store.outbox import Outbox
from integration_app.store.quarantine import Quarantine


class Retention:
    def __init__(
        self,
        *,
        inbox: Inbox,
        deliveries: Deliveries,
        quarantine: Quarantine,
        installations: Installations,
        erasure: Erasure,
        health: Health,
        outbox: Outbox,
        rules: Rules,
        text_retention: timedelta,
        parked_retention: timedelta,
    ) -> None:
        self._inbox = inbox
        self._deliveries = deliveries
        self._quarantine = quarantine
        self._installations = installations
        self._erasure = erasure
        self._health = health
        self._outbox = outbox
        self._rules = rules
        self._text_retention = text_retention
        self._parked_retention = parked_retention

    def sweep(self, now: datetime) -> None:
        """Drop what was not released from quarantine; take ids out of lists whose message or dead letter has expired;
        erase users who left so long ago that nothing of theirs is kept any more.
        """
        for message_id, uid, _ in self._quarantine.held(before=now - self._rules.quarantine):
            self._quarantine.drop(message_id, uid, why="not released in time", now=now)
        self._inbox.sweep(before=now - self._text_retention)
        self._deliveries.sweep(before=now - self._parked_retention)
        for uid in self._installations.gone(before=now - self._parked_retention):
            self._erasure.erase(uid)  # a user who disabled the app cannot prove anything to us any more
        self._health.forget_on_disk(at_once=True)
        self._outbox.recount()
        self._health.swept(now=now)
