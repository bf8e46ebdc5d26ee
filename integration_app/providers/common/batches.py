"""Several messages in one webhook: each is taken or refused by itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integration_app.errors import DoorError, MalformedPayload
from integration_app.model import InboundMessage


def or_refusal(make: Callable[[], InboundMessage]) -> InboundMessage | DoorError:
    """The message, or why there is none: one of several must not lose the others."""
    try:
        return make()
    except DoorError as refusal:
        return refusal


def first_of(found: Sequence[InboundMessage | DoorError]) -> InboundMessage:
    """Raises the refusal, where that is the first."""
    for one in found:
        if isinstance(one, DoorError):
            raise one
        return one
    raise MalformedPayload("it carries no message")
