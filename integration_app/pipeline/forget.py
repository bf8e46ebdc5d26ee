"""Forgetting: what Redis does not expire by itself. Texts carry a time to live; the lists that name them do not."""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_app.store.deliveries import Deliveries
from integration_app.store.inbox import Inbox


class Forget:
    def __init__(
        self, *, inbox: Inbox, deliveries: Deliveries, text_retention: timedelta, parked_retention: timedelta
    ) -> None:
        self._inbox = inbox
        self._deliveries = deliveries
        self._text_retention = text_retention
        self._parked_retention = parked_retention

    def sweep(self, now: datetime) -> None:
        """Take ids out of lists whose message or dead letter has expired."""
        self._inbox.sweep(before=now - self._text_retention)
        self._deliveries.sweep(before=now - self._parked_retention)
