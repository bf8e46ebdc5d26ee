"""JSON of a vendor, read without believing in its shape. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from integration_app.errors import MalformedPayload
from integration_app.providers.base import WebhookRequest

_TIME_MAX = 40
_MOST_SECONDS = 10**11
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def json_object(request: WebhookRequest) -> dict[str, Any]:
    """The body, an object. Raises `MalformedPayload`."""
    if request.content_type.partition("+")[0] not in ("application/json", "application/cloudevents"):
        raise MalformedPayload("the body is not application/json")
    return object_of(request.body)


def object_of(body: bytes | str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedPayload("the body is not JSON") from None
    if not isinstance(found, dict):
        raise MalformedPayload("the body is JSON, but no object")
    return found


def at(value: Any, *path: str | int) -> Any:
    """What stands there; None where anything on the way is missing, or of another kind."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def text_at(value: Any, *path: str | int) -> str:
    """The text there, or the number as text; "" for anything else."""
    found = at(value, *path)
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def objects_at(value: Any, *path: str | int) -> list[dict[str, Any]]:
    """The objects in the list there."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def place_at(value: Any, latitude: str, longitude: str) -> tuple[float, float] | None:
    """Degrees, where both are and can be."""
    found = (at(value, latitude), at(value, longitude))
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in found):
        return None
    return (float(found[0]), float(found[1])) if abs(found[0]) <= 90 and abs(found[1]) <= 180 else None


def moment(value: Any) -> datetime | None:
    """From ISO 8601 (UTC where it has no offset), or from seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.isdigit():
            found = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", value[:_TIME_MAX]))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MOST_SECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
