"""What both kinds of Twilio webhooks come down to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integration_app.model import NO_EVIDENCE, Content, Evidence, Route


@dataclass(frozen=True, slots=True)
class Parsed:
    """A webhook's meaning; `key` names the event among all of Twilio's."""

    key: str
    event_id: str
    channel: str
    route: Route
    sender: str
    to: str
    content: Content
    sender_name: str | None = None
    sent_at: datetime | None = None
    speaker: str | None = None
    control: str | None = None
    evidence: Evidence = NO_EVIDENCE
