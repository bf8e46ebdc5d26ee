"""Everything of one uid, handed out or forgotten at once.

Erasing leaves a receipt, here and in the log: what was erased and when, without a word of it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from integration_app import logs
from integration_app.model import Clock, Content, PreparedText
from integration_app.model.webhook_events import EventType
from integration_app.store.auth import Auth
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.feed import Feed
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.imports import Imports
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations
from integration_app.store.notices import Notices
from integration_app.store.outbox import Outbox
from integration_app.store.quarantine import Quarantine
from integration_app.store.quota import Quotas
from integration_app.store.shared_phones import SharedPhones

log = logs.get(__name__)

_ALL = 10**6


class Erasure:
    def __init__(
        self,
        *,
        inbox: Inbox,
        installations: Installations,
        shared_phones: SharedPhones,
        auth: Auth,
        feed: Feed,
        outbox: Outbox,
        deliveries: Deliveries,
        quarantine: Quarantine,
        due: DueSet,
        gates: Gates,
        quotas: Quotas,
        health: Health,
        imports: Imports,
        notices: Notices,
        secret: str,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._installations = installations
        self._shared_phones = shared_phones
        self._auth = auth
        self._feed = feed
        self._outbox = outbox
        self._deliveries = deliveries
        self._quarantine = quarantine
        self._due = due
        self._gates = gates
        self._quotas = quotas
        self._health = health
        self._imports = imports
        self._notices = notices
        self._secret = secret.encode()
        self._clock = clock

    def export(self, uid: str) -> dict[str, Any]:
        """All that is kept of this uid: settings, phones, messages with their texts and what became of them."""
        installation = self._installations.get(uid)
        messages = []
        for story in self._inbox.of(uid):
            text, made = self._inbox.text(story.id), self._inbox.made(story.id, uid)
            messages.append(
                {
                    "id": story.id,
                    "received_at": story.message.received_at,
                    "channel": story.message.channel,
                    "sender": story.message.sender,
                    "state": story.states[uid],
                    "text": text.text if isinstance(text, PreparedText) else None,
                    "as_it_came": asdict(text) if isinstance(text, Content) else None,
                    "head": text.head if isinstance(text, PreparedText) else None,
                    "made_by_omi": asdict(made) if made else None,
                    "events": [_mine(event.as_dict(), uid) for event in story.events if event.uid in (None, uid)],
                }
            )
        return {
            "uid": uid,
            "exported_at": self._clock(),
            "installation": asdict(installation) if installation else None,
            "sessions": [asdict(row) for row in self._auth.sessions.list(uid)],
            "messages": messages,
            "import": {
                "status": asdict(status) if (status := self._imports.status(uid)) else None,
                "waiting": [asdict(row) for _, row in self._imports.next(uid, _ALL)],
            },
        }

    def erase(self, uid: str) -> dict[str, Any]:
        """Forget everything of this uid. A call in flight may still arrive in Omi; it leaves no trace here."""
        counts: Counter[str] = Counter()
        installation = self._installations.get(uid)
        counts["phones"] = len(installation.phones) if installation else 0
        for number in installation.phones if installation else ():
            self._shared_phones.settle(number, uid)
        tokens = self._installations.tokens(uid)
        self._installations.erase(uid)  # first: nothing new finds its way here any more
        self._due.forget(uid)  # the current holder loses its lease, and can record nothing
        ids = self._inbox.all_of(uid)
        counts["deliveries"] = self._deliveries.erase(uid)
        for message_id in ids:
            self._quarantine.drop(message_id, uid, why="erased", now=self._clock())
            self._inbox.erase(message_id, uid, tokens, now=self._clock())
            counts["messages"] += 1
        self._outbox.erase(uid, now=self._clock())
        self._gates.erase(uid)
        self._quotas.erase(uid)
        self._imports.erase(uid)
        self._notices.erase(uid)
        self._feed.erase(uid)
        if installation:
            self._feed.tell(EventType.USER_LEFT, uid, {"erased": True}, now=self._clock())
        self._auth.erase(uid)
        self._health.forget_on_disk()
        return self._receipt(uid, dict(counts), self._clock())

    def forget_told(self, uid: str) -> None:
        """Take them out of the feed, where they are not any more."""
        self._feed.erase(uid)

    def _receipt(self, uid: str, counts: dict[str, int], now: datetime) -> dict[str, Any]:
        """The uid stands in it as a digest that only this deployment can make: it says nothing about whom."""
        receipt = {
            "receipt": secrets.token_hex(8),
            "erased_at": now.isoformat(timespec="seconds"),
            "whom": hmac.new(self._secret, uid.encode(), hashlib.sha256).hexdigest()[:16],
            "erased": counts,
        }
        log.info("erased", receipt=receipt["receipt"], whom=receipt["whom"], **counts)
        return receipt


def _mine(event: dict[str, Any], uid: str) -> dict[str, Any]:
    """An event that concerns several, without the others."""
    found = dict(event)
    if "uids" in found:
        found["uids"] = [uid]
    if isinstance(found.get("trust"), dict):
        found["trust"] = {uid: found["trust"].get(uid)}
    return found
