"""Postmark inbound: one JSON object, one mail.

https://postmarkapp.com/developer/webhooks/inbound-webhook
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env
from marshmallow import EXCLUDE, Schema, fields, validate
from marshmallow import ValidationError as Invalid

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Attachment, Content, Evidence, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest
from integration_app.providers.common import basic_auth
from integration_app.providers.common.attachments import Attachments
from integration_app.providers.common.email_headers import (
    HEAD_MAX,
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
from integration_app.providers.postmark.sender import PostmarkSender

_RECIPIENTS_MAX = 50
_SIZE_MAX = 10**12


class _Tolerant(Schema):
    class Meta:
        unknown = EXCLUDE


class _Address(_Tolerant):
    Email = fields.Str(load_default="", allow_none=True)
    Name = fields.Str(load_default="", allow_none=True)
    MailboxHash = fields.Str(load_default="", allow_none=True)


class _Mail(_Tolerant):
    MessageID = fields.Str(required=True, validate=validate.Length(min=1, max=200))
    RecordType = fields.Str(load_default=None, allow_none=True)
    From = fields.Str(load_default="", allow_none=True)
    FromName = fields.Str(load_default="", allow_none=True)
    FromFull = fields.Nested(_Address, load_default=None, allow_none=True)
    ToFull = fields.List(fields.Nested(_Address), load_default=list, allow_none=True)
    CcFull = fields.List(fields.Nested(_Address), load_default=list, allow_none=True)
    BccFull = fields.List(fields.Nested(_Address), load_default=list, allow_none=True)
    OriginalRecipient = fields.Str(load_default="", allow_none=True)
    MailboxHash = fields.Str(load_default="", allow_none=True)
    Subject = fields.Str(load_default="", allow_none=True)
    Date = fields.Str(load_default="", allow_none=True)
    TextBody = fields.Str(load_default="", allow_none=True)
    HtmlBody = fields.Str(load_default="", allow_none=True)
    RawEmail = fields.Str(load_default=None, allow_none=True)
    # Nothing in these two is worth losing a mail for, so they are read leniently.
    Headers = fields.Raw(load_default=None, allow_none=True)
    Attachments = fields.Raw(load_default=None, allow_none=True)


_MAIL = _Mail()


class Postmark(Provider):
    name = "postmark"
    title = "Postmark inbound"
    proven_by_headers = True
    max_body_bytes = 100_000_000  # 35 MB of attachments in base64, and RawEmail has them once more
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 401,  # tried again for ten hours; 403 would stop it at once
        Outcome.NOT_CONFIGURED: 404,
        Outcome.MALFORMED: 403,  # never again
        Outcome.UNKNOWN_RECIPIENT: 403,
        Outcome.TOO_LARGE: 403,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, users: tuple[str, ...]) -> None:
        self._users = users

    def verify(self, request: WebhookRequest) -> None:
        if not basic_auth.is_known(request.headers.get("authorization"), self._users):
            raise BadSignature("the Basic credentials are missing or wrong")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.content_type != "application/json":
            raise MalformedPayload("the body is not application/json")
        mail = _load(request.body)
        if mail["RecordType"] not in (None, "", "Inbound"):
            raise MalformedPayload("this is an event webhook, not an inbound mail")
        shown = mail["FromFull"] or {}
        recipients = _recipients(mail)
        headers = _headers(mail)
        name, address, several = one_author(mail["From"] or "")
        several = several or author(head_of((mail["RawEmail"] or "")[:HEAD_MAX].encode("utf-8", "replace")))[2]
        sender = (shown.get("Email") or address)[:320].lower()
        envelope_from = _envelope_from(headers)
        return InboundMessage(
            provider=self.name,
            event_id=mail["MessageID"],
            # one mail to two private addresses is two deliveries of the same MessageID
            dedupe_keys=(f"{self.name}:{mail['MessageID']}:{'|'.join(sorted(recipients))}",),
            channel="email",
            route=Route.RECIPIENT,
            sender=sender or envelope_from or "",
            sender_name=(shown.get("Name") or mail["FromName"] or name)[:200] or None,
            recipients=recipients,
            received_at=request.received_at,
            sent_at=mail_date(mail["Date"]),
            content=_content(mail, headers),
            envelope_from=envelope_from,
            evidence=_evidence(headers, envelope_from, several or not sender),
        )


def _load(body: bytes) -> dict[str, Any]:
    try:
        mail: dict[str, Any] = _MAIL.loads(body)
    except Invalid as error:
        names = ", ".join(sorted(map(str, error.messages_dict))[:10])
        raise MalformedPayload(f"these fields are missing or wrong: {names}") from None
    except (ValueError, RecursionError):
        raise MalformedPayload("the body is not JSON") from None
    return mail


def _recipients(mail: Mapping[str, Any]) -> tuple[str, ...]:
    """The envelope's recipient. Only where an older hook does not name it, the addresses in the headers."""
    envelope = [mail["OriginalRecipient"], mail["MailboxHash"]]
    if not any(envelope):
        rows = [*(mail["ToFull"] or ()), *(mail["CcFull"] or ()), *(mail["BccFull"] or ())]
        envelope = [part for row in rows[:_RECIPIENTS_MAX] for part in (row["Email"], row["MailboxHash"])]
    return tuple(dict.fromkeys(part.strip().lower()[:320] for part in envelope if part and part.strip()))


def _headers(mail: Mapping[str, Any]) -> Headers:
    """In the order sent; `Date` is lifted out of them by Postmark, and put back here."""
    rows = [(str(row.get("Name", "")).lower(), str(row.get("Value", ""))) for row in _rows(mail["Headers"])]
    return (*rows, ("date", mail["Date"] or ""))


def _envelope_from(headers: Headers) -> str | None:
    """The first `Return-Path` is Postmark's; one below it may be forged. An empty one is a bounce's."""
    values = [value for name, value in headers if name == "return-path"]
    return values[0].strip().strip("<>").lower()[:320] if values else None


def _evidence(headers: Headers, envelope_from: str | None, several: bool) -> Evidence:
    """What Postmark's SpamAssassin found: it always looks, and its header is the topmost of that name.

    https://postmarkapp.com/support/article/808
    """
    tests = {word.strip() for word in top(own(headers), "x-spam-tests").split(",")}
    return Evidence(
        spf="pass" if "SPF_PASS" in tests else None,
        spf_domain=domain_of(envelope_from),
        author_signed="DKIM_VALID_AU" in tests,
        several_authors=several,
    )


def _content(mail: Mapping[str, Any], headers: Headers) -> Content:
    raw = mail["RawEmail"]
    if raw and raw.strip():
        # JSON text of a mail: back to the bytes that it was before
        encoded = base64.b64encode(raw.encode("utf-8", "replace"))
        return Content(subject=mail["Subject"] or None, mime=encoded.decode())
    return Content(
        text=mail["TextBody"] or None,
        html=mail["HtmlBody"] or None,
        subject=mail["Subject"] or None,
        attachments=_attachments(_rows(mail["Attachments"])),
        headers=kept(headers),
    )


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value[:500] if isinstance(row, dict)] if isinstance(value, list) else []


def _attachments(rows: list[dict[str, Any]]) -> tuple[Attachment, ...]:
    found = Attachments()
    for row in rows:
        if _is_inline_image(row):
            continue
        kind, name = str(row.get("ContentType") or "application/octet-stream"), str(row.get("Name") or "")
        size, content = row.get("ContentLength"), row.get("Content")
        encoded = content if isinstance(content, str) else ""
        size = size if isinstance(size, int) and 0 < size < _SIZE_MAX else len(encoded) * 3 // 4 or None
        data = None
        if encoded and found.room(kind, name, len(encoded) * 3 // 4):
            try:
                data = base64.b64decode(encoded)
            except (binascii.Error, ValueError):
                data = None
        found.add(kind, name, data, size)
    return found.all()


def _is_inline_image(row: Mapping[str, Any]) -> bool:
    return bool(row.get("ContentID")) and str(row.get("ContentType") or "").startswith("image/")


def _from_env(env: Env) -> Provider | None:
    pairs = env.list("POSTMARK_WEBHOOK_USERS", None, subcast=str.strip, validate=basic_auth.checked)
    return Postmark(tuple(pairs)) if pairs else None


def _local_env() -> dict[str, str]:
    return {"POSTMARK_WEBHOOK_USERS": f"postmark:{secrets.token_hex(16)}"}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    user, _, password = env["POSTMARK_WEBHOOK_USERS"].split(",")[0].partition(":")
    return {"username": user, "password": password}


SPEC = ProviderSpec(
    name="postmark",
    provider=Postmark,
    channels=("email",),
    settings=("POSTMARK_WEBHOOK_USERS",),
    from_env=_from_env,
    sender=PostmarkSender,
    local_env=_local_env,
    credentials=_credentials,
    mail_hosts=("inbound.postmarkapp.com",),
    made=_local_env,
)
