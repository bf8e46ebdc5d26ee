"""SendGrid Inbound Parse: one mail per form, taken apart (`text`, `html`) or as a whole (`email`).

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/inbound-email
SendGrid drops what gets a 4xx, silently and at once; so what could be genuine gets 503.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Content, Evidence, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest, check_signed_time
from integration_app.providers.common import basic_auth
from integration_app.providers.common.attachments import of_parts
from integration_app.providers.common.email_headers import (
    Headers,
    author,
    domain_of,
    head_of,
    kept,
    mail_date,
    one_author,
    top,
)
from integration_app.providers.common.multipart import Part, parts
from integration_app.providers.sendgrid.sender import SendGridSender
from integration_app.providers.sendgrid.signature import SIGNATURE, TIMESTAMP, is_genuine, read_key
from integration_app.text.charsets import decode

_RECIPIENTS_MAX = 50
_DKIM = re.compile(r"@([^\s:{},]{1,253})\s*:\s*([A-Za-z]{1,20})")


class SendGrid(Provider):
    name = "sendgrid"
    title = "SendGrid Inbound Parse"
    max_body_bytes = 40_000_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 503,  # tried again for three days; any 4xx would lose the mail
        Outcome.NOT_CONFIGURED: 503,
        Outcome.MALFORMED: 200,
        Outcome.UNKNOWN_RECIPIENT: 200,
        Outcome.TOO_LARGE: 200,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, keys: Sequence[EllipticCurvePublicKey], users: Sequence[str]) -> None:
        self._keys = keys
        self._users = users

    def verify(self, request: WebhookRequest) -> None:
        """The signature where a key is set; Basic credentials where users are set; both where both are."""
        if self._users and not basic_auth.is_known(request.headers.get("authorization"), self._users):
            raise BadSignature("the Basic credentials are missing or wrong")
        if not self._keys:
            return
        signature, timestamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        if not signature or not timestamp:
            raise BadSignature("the signature or its timestamp is missing: is the security policy attached?")
        if not timestamp.isdigit() or not is_genuine(signature, timestamp, request.body, self._keys):
            raise BadSignature("the signature does not fit any of our keys")
        check_signed_time(_since_1970(timestamp), request.received_at)

    def parse(self, request: WebhookRequest) -> InboundMessage:
        form = _Form(parts(request.headers.get("content-type", ""), request.body))
        mime = form.raw("email") or form.raw("rawEmail")
        if mime is None and form.raw("headers") is None:
            raise MalformedPayload("neither email nor headers: this is not Inbound Parse")
        envelope_from, recipients = _envelope(form.text("envelope"))
        if not recipients:
            raise MalformedPayload("envelope names no recipient")
        headers = head_of(mime if mime is not None else form.raw("headers") or b"")
        name, address, several = author(headers) if top(headers, "from") else one_author(form.text("from"))
        message_id = top(headers, "message-id")[:500]
        said = mime if mime is not None else (form.raw("text") or b"") + (form.raw("html") or b"")
        # There is no event id: the key is made of what a second delivery repeats.
        fixed = "|".join((*sorted(recipients), message_id, address, top(headers, "date")))
        digest = hashlib.sha256(fixed.encode("utf-8", "replace") + _body_of(said, whole=mime is not None)).hexdigest()
        return InboundMessage(
            provider=self.name,
            event_id=message_id or digest,
            dedupe_keys=(f"{self.name}:{digest}",),
            channel="email",
            route=Route.RECIPIENT,
            sender=address or envelope_from or "",
            sender_name=name or None,
            recipients=recipients,
            received_at=request.received_at,
            sent_at=mail_date(top(headers, "date")),
            content=_content(form, headers, mime),
            envelope_from=envelope_from,
            evidence=Evidence(
                spf=form.text("SPF").strip().lower() or None,
                spf_domain=domain_of(envelope_from),
                dkim=_signers(form.text("dkim")),
                several_authors=several or not address,
            ),
        )


def _since_1970(timestamp: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadSignature("the signed timestamp is no time") from None


class _Form:
    """The parts, each in the charset that `charsets` names for it."""

    def __init__(self, found: Sequence[Part]) -> None:
        self.files = [part for part in found if part.filename is not None]
        self._fields = {part.name: part.data for part in found if part.filename is None}
        # A raw mail may come as a file part.
        self._files = {part.name: part.data for part in self.files}
        self._charsets = _json_object(self._fields.get("charsets", b"").decode("utf-8", "replace"))

    def raw(self, name: str) -> bytes | None:
        found = self._fields.get(name)
        return self._files.get(name) if found is None else found

    def text(self, name: str) -> str:
        label = self._charsets.get(name)
        return decode(self._fields.get(name, b""), label if isinstance(label, str) else None)


def _envelope(raw: str) -> tuple[str | None, tuple[str, ...]]:
    found = _json_object(raw)
    to, sender = found.get("to"), found.get("from")
    rows = to if isinstance(to, list) else [to]
    addresses = (row.strip().strip("<>").lower()[:320] for row in rows[:_RECIPIENTS_MAX] if isinstance(row, str))
    envelope_from = sender.strip().strip("<>").lower()[:320] if isinstance(sender, str) else None
    return envelope_from, tuple(dict.fromkeys(address for address in addresses if address))


def _json_object(raw: str) -> dict[str, Any]:
    try:
        found = json.loads(raw[:100_000]) if raw else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _signers(value: str) -> tuple[str, ...]:
    """`{@example.org : pass}`: looks like JSON, is none."""
    return tuple(domain.lower() for domain, result in _DKIM.findall(value[:4000]) if result.lower() == "pass")


def _body_of(said: bytes, *, whole: bool) -> bytes:
    """Without the head of a raw mail: each hop adds to it."""
    return said.partition(b"\r\n\r\n" if b"\r\n\r\n" in said[:64_000] else b"\n\n")[2] if whole else said


def _content(form: _Form, headers: Headers, mime: bytes | None) -> Content:
    subject = form.text("subject") or top(headers, "subject") or None
    if mime is not None:
        return Content(subject=subject, mime=base64.b64encode(mime).decode()) if mime.strip() else Content()
    inline = _inline_parts(form)
    return Content(
        text=form.text("text") or None,
        html=form.text("html") or None,
        subject=subject,
        attachments=of_parts(
            part for part in form.files if not (part.name in inline and (part.content_type or "").startswith("image/"))
        ),
        headers=kept(headers),
    )


def _inline_parts(form: _Form) -> set[str]:
    """`content-ids` (JSON: id → name of the part) names what is shown inside the text."""
    return {name for name in _json_object(form.text("content-ids")).values() if isinstance(name, str)}


def _from_env(env: Env) -> Provider | None:
    keys = env.list("SENDGRID_PUBLIC_KEYS", None, subcast=str.strip, validate=_keys)
    users = env.list("SENDGRID_WEBHOOK_USERS", None, subcast=str.strip, validate=basic_auth.checked)
    return SendGrid([read_key(key) for key in keys or ()], tuple(users or ())) if keys or users else None


def _keys(values: list[str]) -> None:
    for value in values:
        try:
            read_key(value)
        except ValueError as error:
            raise ValidationError(f"{error}") from None


def _local_env() -> dict[str, str]:
    key = generate_private_key(SECP256R1())
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "SENDGRID_PUBLIC_KEYS": base64.b64encode(public).decode(),
        "SENDGRID_SENDER_KEY": base64.b64encode(private).decode(),
    }


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"private_key": env["SENDGRID_SENDER_KEY"]}


SPEC = ProviderSpec(
    name="sendgrid",
    provider=SendGrid,
    channels=("email",),
    settings=("SENDGRID_PUBLIC_KEYS", "SENDGRID_WEBHOOK_USERS"),
    local_settings=("SENDGRID_SENDER_KEY",),
    from_env=_from_env,
    sender=SendGridSender,
    local_env=_local_env,
    credentials=_credentials,
    mail_hosts=("mx.sendgrid.net",),
    made=lambda: {"SENDGRID_WEBHOOK_USERS": f"sendgrid:{secrets.token_hex(16)}"},
)
