"""Messages for unit tests, with only what matters spelled out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integration_app.model import Content, InboundMessage, PreparedText, Route, WaitingMessage
from integration_app.pipeline.delivery.prepare import prepare

NOW = datetime(2026, 11, 20, 8, 0, 0, 500, tzinfo=UTC)


def message(text: str = "Hello", *, at: float = 0.0, channel: str = "sms", **more: object) -> InboundMessage:
    values: dict[str, object] = {
        "provider": "any",
        "event_id": f"e{at}",
        "dedupe_keys": (f"k{at}",),
        "channel": channel,
        "route": Route.SENDER,
        "sender": "+15550001111",
        "received_at": NOW + timedelta(seconds=at),
        "content": Content(text=text),
    }
    return InboundMessage(**values | more)  # type: ignore[arg-type]


def waiting(seq: int, inbound: InboundMessage, prepared: PreparedText | None = None) -> WaitingMessage:
    return WaitingMessage(f"m{seq}", seq, inbound, prepared or prepare(inbound))


def texts(*words: str, gap: float = 1.0) -> list[WaitingMessage]:
    """Texts of one phone, `gap` seconds apart."""
    return [waiting(number + 1, message(text, at=number * gap)) for number, text in enumerate(words)]
