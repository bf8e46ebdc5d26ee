"""Forgetting: what Redis does not expire by itself. Texts carry a time to live; the lists that name them do not."""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.inbox import Inbox
from integration_app.store.quarantine import Quarantine


class Forget:
    def __init__(
        self,
        *,
        inbox: Inbox,
        deliveries: Deliveries,
        quarantine: Quarantine,
        rules: Rules,
        text_retention: timedelta,
        parked_retention: timedelta,
    ) -> None:
        self._inbox = inbox
        self._deliveries = deliveries
        self._quarantine = quarantine
        self._rules = rules
        self._text_retention = text_retention
        self._parked_retention = parked_retention

    def sweep(self, now: datetime) -> None:
        """Drop what nobody released from quarantine; take ids out of lists whose message or dead letter has expired."""
        for message_id, uid, _ in self._quarantine.held(before=now - self._rules.quarantine):
            self._quarantine.drop(message_id, uid, why="nobody released it in time", now=now)
        self._inbox.sweep(before=now - self._text_retention)
        self._deliveries.sweep(before=now - self._parked_retention)
