"""Mailgun Routes: `forward("https://…/webhooks/mailgun")`, and `…/webhooks/mailgun/mime` for raw MIME.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Content, Evidence, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.attachments import of_parts
from integration_app.providers.common.email_headers import (
    Headers,
    author,
    domain_of,
    head_of,
    kept,
    mail_date,
    one_author,
    own,
    top,
)
from integration_app.providers.common.multipart import Part, parts
from integration_app.providers.mailgun.sender import MailgunSender
from integration_app.providers.mailgun.signature import is_genuine

_PROOF = ("timestamp", "token", "signature")


class Mailgun(Provider):
    name = "mailgun"
    title = "Mailgun Routes"
    max_body_bytes = 50_000_000
    endings = ("", "/mime")
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

    def __init__(self, keys: tuple[str, ...], *, filters_spam: bool = False) -> None:
        self._keys = keys
        self._filters_spam = filters_spam

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
        mime = next((part.data for part in found if part.name == "body-mime"), None)
        headers = head_of(mime) if mime else _headers(fields.get("message-headers", ""))
        message_id = (top(headers, "message-id") or fields.get("Message-Id", "")).strip()[:500]
        name, address, several = one_author(fields.get("from", "") or top(headers, "from"))
        several = several or author(headers)[2] or not address
        envelope_from = fields["sender"].strip().lower()[:320] if "sender" in fields else None
        # Two routes that match the same mail make two tokens: the mail itself is the second key.
        fixed = (recipient, message_id, address, top(headers, "date"), top(headers, "subject"), _body_of(fields))
        mail_key = hashlib.sha256("|".join(fixed).encode("utf-8", "replace"))
        return InboundMessage(
            provider=self.name,
            event_id=message_id or fields.get("token", ""),
            dedupe_keys=(f"{self.name}:token:{fields.get('token', '')}", f"{self.name}:mail:{mail_key.hexdigest()}"),
            channel="email",
            route=Route.RECIPIENT,
            sender=address or envelope_from or "",
            sender_name=name or None,
            recipients=(recipient,),
            received_at=request.received_at,
            sent_at=mail_date(top(headers, "date")),
            content=_content(found, fields, headers, mime),
            envelope_from=envelope_from,
            evidence=_evidence(headers if self._filters_spam else (), envelope_from, several),
        )


def _parts(request: WebhookRequest) -> list[Part]:
    if request.content_type == "multipart/form-data":
        return parts(request.headers.get("content-type", ""), request.body)
    if request.content_type != "application/x-www-form-urlencoded":
        raise MalformedPayload("the body is not a form")
    return [Part(name, value.encode("utf-8", "replace")) for name, value in request.form]


def _fields(found: list[Part]) -> dict[str, str]:
    """The first one of each name, and the last of the three that prove it: the sender chooses names of headers."""
    fields: dict[str, str] = {}
    for part in found:
        if part.filename is None and (part.name not in fields or part.name in _PROOF):
            fields[part.name] = part.data.decode("utf-8", "replace")
    return fields


def _headers(raw: str) -> Headers:
    """`message-headers`: a JSON list of pairs, in the order in which they stood."""
    try:
        rows = json.loads(raw[:200_000]) if raw else []
    except (ValueError, RecursionError):
        return ()
    pairs = [row for row in rows if isinstance(row, list) and len(row) == 2] if isinstance(rows, list) else []
    return tuple((str(name).lower(), str(value)) for name, value in pairs)


def _evidence(headers: Headers, envelope_from: str | None, several: bool) -> Evidence:
    """Mailgun's own headers, topmost only; they are its own where the domain's spam filter is on, else the sender's.
    Its DKIM flag names no domain, so it proves nothing about the author.

    https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/spam-filter
    """
    spf = top(own(headers), "x-mailgun-spf").strip().lower()
    return Evidence(spf=spf or None, spf_domain=domain_of(envelope_from), several_authors=several)


def _content(found: list[Part], fields: Mapping[str, str], headers: Headers, mime: bytes | None) -> Content:
    subject = fields.get("subject") or top(headers, "subject") or None
    if mime is not None:
        return Content(subject=subject, mime=base64.b64encode(mime).decode())
    return Content(
        text=fields.get("body-plain") or None,
        html=fields.get("body-html") or None,
        subject=subject,
        attachments=of_parts(
            part for part in found if part.filename is not None and not _is_inline_image(part, fields)
        ),
        headers=kept(headers),
    )


def _is_inline_image(part: Part, fields: Mapping[str, str]) -> bool:
    """`content-id-map` (JSON: id → name of the part) names the parts that are shown inside the text."""
    try:
        shown = json.loads(fields.get("content-id-map", "")[:100_000] or "{}")
    except (ValueError, RecursionError):
        return False
    names = shown.values() if isinstance(shown, dict) else ()
    return part.name in names and (part.content_type or "").startswith("image/")


def _body_of(fields: Mapping[str, str]) -> str:
    return fields.get("body-mime") or fields.get("body-plain", "") + fields.get("body-html", "")


def _from_env(env: Env) -> Provider | None:
    keys = env.list("MAILGUN_SIGNING_KEYS", None, subcast=str.strip, validate=tokens_setting.checked)
    filters_spam = env.bool("MAILGUN_SPAM_FILTER", False)
    return Mailgun(tuple(keys), filters_spam=bool(filters_spam)) if keys else None


def _local_env() -> dict[str, str]:
    return {"MAILGUN_SIGNING_KEYS": secrets.token_hex(16)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"signing_key": env["MAILGUN_SIGNING_KEYS"].split(",")[0]}


SPEC = ProviderSpec(
    name="mailgun",
    provider=Mailgun,
    channels=("email",),
    settings=("MAILGUN_SIGNING_KEYS", "MAILGUN_SPAM_FILTER"),
    from_env=_from_env,
    sender=MailgunSender,
    local_env=_local_env,
    credentials=_credentials,
    mail_hosts=("mailgun.org",),
    asked={"MAILGUN_SIGNING_KEYS": "HTTP webhook signing key: app.mailgun.com, API Security"},
)
