"""Mailgun Routes: `forward("https://…/webhooks/mailgun")`, and `…/webhooks/mailgun/mime` for raw MIME.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest, mail_date
from integration_app.providers.mailgun.sender import MailgunSender
from integration_app.providers.mailgun.signature import is_genuine
from integration_app.providers.multipart import Part, parts


class Mailgun(Provider):
    name = "mailgun"
    title = "Mailgun Routes"
    max_body_bytes = 50_000_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 401,  # tried again for eight hours
        Outcome.NOT_CONFIGURED: 404,
        Outcome.MALFORMED: 406,  # never again
        Outcome.UNKNOWN_RECIPIENT: 406,
        Outcome.TOO_LARGE: 406,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys

    def verify(self, request: WebhookRequest) -> None:
        try:
            fields = _fields(_parts(request))
        except MalformedPayload as error:
            raise BadSignature("the form cannot be read, so nothing proves where it comes from") from error
        timestamp, token, signature = (fields.get(name, "") for name in ("timestamp", "token", "signature"))
        if not is_genuine(timestamp, token, signature, self._keys, request.received_at):
            raise BadSignature("timestamp, token and signature do not fit any of our keys")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        found = _parts(request)
        fields = _fields(found)
        recipient = fields.get("recipient", "").strip().lower()[:320]
        if not recipient:
            raise MalformedPayload("recipient is missing")
        if "message-url" in fields and "body-plain" not in fields and "body-mime" not in fields:
            raise MalformedPayload("store() only names the mail; use forward() in this route")
        headers = _headers(fields.get("message-headers", ""))
        message_id = (headers.get("message-id") or fields.get("Message-Id", "")).strip()[:500]
        name, address = parseaddr(fields.get("from", "")[:1000])
        # Two routes that match the same mail make two tokens: the mail itself is the second key.
        mail_key = hashlib.sha256("|".join((recipient, message_id, _body_of(fields))).encode("utf-8", "replace"))
        return InboundMessage(
            provider=self.name,
            event_id=message_id or fields["token"],
            dedupe_keys=(f"{self.name}:token:{fields['token']}", f"{self.name}:mail:{mail_key.hexdigest()}"),
            channel="email",
            route=Route.RECIPIENT,
            sender=(address or fields.get("sender", "")).strip().lower()[:320],
            sender_name=name[:200] or None,
            recipients=(recipient,),
            received_at=request.received_at,
            sent_at=mail_date(headers.get("date")),
            content=_content(found, fields, headers),
        )


def _parts(request: WebhookRequest) -> list[Part]:
    if request.content_type == "multipart/form-data":
        return parts(request.headers.get("content-type", ""), request.body)
    if request.content_type != "application/x-www-form-urlencoded":
        raise MalformedPayload("the body is not a form")
    return [Part(name, value.encode("utf-8", "replace")) for name, value in request.form]


def _fields(found: list[Part]) -> dict[str, str]:
    """The last one of each name: header-named fields are the sender's, and ours come after them."""
    return {part.name: part.data.decode("utf-8", "replace") for part in found if part.filename is None}


def _headers(raw: str) -> dict[str, str]:
    """`message-headers`: a JSON list of pairs; the first of each name counts."""
    try:
        rows = json.loads(raw[:200_000]) if raw else []
    except (ValueError, RecursionError):
        return {}
    pairs = [row for row in rows if isinstance(row, list) and len(row) == 2] if isinstance(rows, list) else []
    return {str(name).lower(): str(value) for name, value in reversed(pairs)}


def _content(found: list[Part], fields: Mapping[str, str], headers: Mapping[str, str]) -> Content:
    subject = fields.get("subject") or headers.get("subject") or None
    mime = next((part.data for part in found if part.name == "body-mime"), None)
    if mime is not None:
        return Content(subject=subject, mime=base64.b64encode(mime).decode())
    return Content(
        text=fields.get("body-plain") or None,
        html=fields.get("body-html") or None,
        subject=subject,
        attachments=tuple(
            Attachment(
                content_type=(part.content_type or "application/octet-stream")[:200],
                name=(part.filename or "")[:300] or None,
                size=len(part.data) or None,
            )
            for part in found
            if part.filename is not None and not _is_inline_image(part, fields)
        ),
        is_reply=bool(headers.keys() & {"in-reply-to", "references"}),
    )


def _is_inline_image(part: Part, fields: Mapping[str, str]) -> bool:
    """`content-id-map` names the parts that are shown inside the text."""
    shown = fields.get("content-id-map", "")
    return f'"{part.name}"' in shown and (part.content_type or "").startswith("image/")


def _body_of(fields: Mapping[str, str]) -> str:
    return fields.get("body-mime") or fields.get("body-plain", "") + fields.get("body-html", "")


def _from_env(env: Env) -> Provider | None:
    keys = env.list("MAILGUN_SIGNING_KEYS", None, subcast=str.strip, validate=_no_blanks)
    return Mailgun(tuple(keys)) if keys else None


def _no_blanks(keys: list[str]) -> None:
    if not keys or not all(keys):
        raise ValidationError("must be one signing key, or several separated by commas")


def _local_env() -> dict[str, str]:
    return {"MAILGUN_SIGNING_KEYS": secrets.token_hex(16)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"signing_key": env["MAILGUN_SIGNING_KEYS"].split(",")[0]}


SPEC = ProviderSpec(
    name="mailgun",
    provider=Mailgun,
    channels=("email",),
    settings=("MAILGUN_SIGNING_KEYS",),
    from_env=_from_env,
    sender=MailgunSender,
    local_env=_local_env,
    credentials=_credentials,
)
