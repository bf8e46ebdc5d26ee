"""Linking a phone: a text with a code that only the owner of an Omi account was shown proves both.

The code was made on a page that had proved the Omi account; the phone is the one that sends it. It works once. A phone
may serve several uids, and linking it to another never takes it away from the first. `UNLINK` ends all of its links.
"""

from __future__ import annotations

import re

from integration_app import logs
from integration_app.model import InboundMessage, Route
from integration_app.pipeline.intake.phones import Phones
from integration_app.store.auth.link_codes import LINK_LENGTH, LinkCodes
from integration_app.store.installations import Installations
from integration_app.text.addresses import is_linkable

log = logs.get(__name__)

_CODE = re.compile(rf"\s*(?:link)?[\s:-]*([A-Z0-9]{{{LINK_LENGTH}}})\s*[.!]?\s*", re.IGNORECASE)
UNLINK = "UNLINK"


class Pairing:
    def __init__(self, *, link_codes: LinkCodes, installations: Installations, phones: Phones) -> None:
        self._link_codes = link_codes
        self._installations = installations
        self._phones = phones

    def is_unlink(self, message: InboundMessage) -> bool:
        """Whether this text asks to end all links of the phone that it comes from."""
        if message.route is not Route.SENDER or message.hints or message.control:
            return False
        return (message.content.text or "")[:60].strip().strip(".!").upper() == UNLINK

    def unpair(self, message: InboundMessage) -> bool:
        """End them. False when there are none."""
        return self._phones.end_all(message.sender) > 0

    def pair(self, message: InboundMessage) -> bool:
        """Link the phone that this text comes from, if it is a link code. False for any other text, wrong codes too."""
        if message.route is not Route.SENDER or message.hints or message.control:
            return False
        found = _CODE.fullmatch((message.content.text or "")[:60])
        if not found or "link" not in (message.content.text or "").lower() or not is_linkable(message.sender):
            return False
        uid = self._link_codes.take(found.group(1), message.sender)
        if uid is None or self._installations.get(uid) is None:
            return False
        self._phones.link(uid, message.sender)
        log.info("linked a phone", uid=uid)
        return True
