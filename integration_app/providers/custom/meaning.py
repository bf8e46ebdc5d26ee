"""What the JSON of a custom door means, by the paths of its file. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import getaddresses
from functools import partial
from typing import Any

from integration_app.errors import DoorError, MalformedPayload
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers.common.batches import or_refusal
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.email_headers import mail_date, one_author
from integration_app.providers.common.json_body import moment, text_at
from integration_app.providers.common.phones import international
from integration_app.providers.custom.config import DoorConfig
from integration_app.text.addresses import account

_FOUND_MAX = 1000


def along(value: Any, path: str) -> Iterator[Any]:
    """All that a path leads to; nothing where it leads nowhere."""
    step, _, rest = path.partition(".")
    inner: list[Any]
    if step == "*":
        inner = value[:_FOUND_MAX] if isinstance(value, list) else []
    elif isinstance(value, list):
        inner = [value[int(step)]] if step.isascii() and step.isdigit() and int(step) < len(value) else []
    else:
        inner = [value[step]] if isinstance(value, dict) and step in value else []
    for found in inner:
        if rest:
            yield from along(found, rest)
        else:
            yield found


def text_along(value: Any, path: str) -> str:
    """The first text (or whole number) there; "" for none."""
    return next((said for found in along(value, path) if (said := text_at([found], 0))), "") if path else ""


def is_wanted(config: DoorConfig, body: Mapping[str, Any]) -> bool:
    """Whether the file takes it for a message."""
    conditions = (config.only_if or {}).items()
    if not all(_is(next(along(body, path), None), wanted) for path, wanted in conditions):
        return False
    return not any(_is_there(body, path) for path in config.not_if)


def _is(found: Any, wanted: Any) -> bool:
    return type(found) is type(wanted) and found == wanted  # 1 is not true


def _is_there(body: Mapping[str, Any], path: str) -> bool:
    return any(found not in (None, False, "", [], {}) for found in along(body, path))


def messages_of(
    config: DoorConfig, body: Mapping[str, Any], received_at: datetime
) -> tuple[InboundMessage | DoorError, ...]:
    """All that it carries; in the place of one without a sender or an id, why."""
    if not config.items:
        return (_message(config, body, received_at),)
    rows = next(along(body, config.items), None)
    if not isinstance(rows, list) or not rows:
        raise MalformedPayload(f"nothing stands at {config.items}")
    return tuple(or_refusal(partial(_message, config, row, received_at)) for row in rows)


def _message(config: DoorConfig, row: Any, received_at: datetime) -> InboundMessage:
    identifier, sender = text_along(row, config.id), text_along(row, config.sender)
    if not identifier or not sender:
        raise MalformedPayload(f"nothing stands at {config.sender if identifier else config.id}")
    text = next((said for path in config.text if (said := text_along(row, path)).strip()), "")
    if config.unescape:
        text = html.unescape(text)
    is_mail = config.channel == "email"
    recipients = _addresses(along(row, config.to)) if is_mail else []
    if is_mail and not any(recipients):
        raise MalformedPayload(f"no address stands at {config.to}")
    return InboundMessage(
        provider="custom",
        event_id=identifier[:200],
        dedupe_keys=(f"custom:{config.name}:{json.dumps(identifier)}",),
        channel=config.channel,
        route=Route.RECIPIENT if is_mail else Route.SENDER,
        sender=_sender(config, sender),
        sender_name=text_along(row, config.sender_name)[:200] or None,
        recipients=tuple(dict.fromkeys(address for address in recipients if address)),
        received_at=received_at,
        sent_at=_moment(next(along(row, config.time), None)) if config.time else None,
        control=carrier_word(text) if config.channel == "sms" else None,
        content=Content(
            text=text or None,
            html=text_along(row, config.html) or None,
            subject=text_along(row, config.subject)[:1000] or None,
        ),
    )


def _sender(config: DoorConfig, given: str) -> str:
    match config.sender_is:
        case "phone":
            return international(given)
        case "mailbox":
            return one_author(given)[1]
        case _:
            return account(f"custom-{config.name}", given)  # in front: no door takes another's accounts


def _addresses(found: Iterator[Any]) -> list[str]:
    """Of each text all addresses that stand in it."""
    try:
        pairs = getaddresses([text[:20_000] for text in found if isinstance(text, str)])
    except (ValueError, IndexError, RecursionError):
        return []
    return [address.lower()[:320] for _, address in pairs if "@" in address]


def _moment(value: Any) -> datetime | None:
    """ISO 8601, seconds or milliseconds as number or text, or as a mail's Date."""
    if found := moment(value):
        return found
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromtimestamp(float(value[:30]), UTC)
    except (ValueError, OverflowError, OSError):
        return mail_date(value)
