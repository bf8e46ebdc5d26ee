"""`POST /webhooks/raw-mail`: `message/rfc822`, the envelope in `X-Envelope-From` and `X-Envelope-To`."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.authentication_results import evidence
from integration_app.providers.common.email_headers import HEAD_MAX, author, head_of, mail_date, top
from integration_app.providers.raw_mail.sender import RawMailSender
from integration_app.providers.raw_mail.signature import is_genuine

CONTENT_TYPES = ("message/rfc822", "application/octet-stream")

_RECIPIENTS_MAX = 50


class RawMail(Provider):
    name = "raw-mail"
    title = "Raw mail"
    max_body_bytes = 50_000_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 401,
        Outcome.NOT_CONFIGURED: 404,
        Outcome.MALFORMED: 422,
        Outcome.UNKNOWN_RECIPIENT: 422,
        Outcome.TOO_LARGE: 413,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, tokens: tuple[str, ...], receivers: tuple[str, ...] = ()) -> None:
        self._tokens = tokens
        self._receivers = receivers

    def verify(self, request: WebhookRequest) -> None:
        if not is_genuine(request.headers, request.body, self._tokens, request.received_at):
            raise BadSignature("neither a bearer token nor a signature of ours")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.content_type not in CONTENT_TYPES:
            raise MalformedPayload("the body is not message/rfc822")
        recipients = _addresses(request.headers.get("x-envelope-to", ""))
        if not recipients:
            raise MalformedPayload("X-Envelope-To is missing")
        body = request.body.partition(b"\r\n\r\n" if b"\r\n\r\n" in request.body[:HEAD_MAX] else b"\n\n")[2]
        headers = head_of(request.body)
        message_id = top(headers, "message-id")[:500]
        name, address, several = author(headers)
        # Each hop adds headers, so the key is made of what stays.
        digest = hashlib.sha256(
            "|".join([message_id, address, top(headers, "date"), top(headers, "subject"), *sorted(recipients)]).encode(
                "utf-8", "replace"
            )
            + body
        ).hexdigest()
        handed_in = request.headers.get("x-envelope-from")
        envelope_from = None if handed_in is None else next(iter(_addresses(handed_in)), "")
        return InboundMessage(
            provider=self.name,
            event_id=message_id or digest,
            dedupe_keys=(f"{self.name}:{digest}", *_signed_once(request)),
            channel="email",
            route=Route.RECIPIENT,
            sender=address or envelope_from or "",
            sender_name=name or None,
            recipients=recipients,
            received_at=request.received_at,
            sent_at=mail_date(top(headers, "date")),
            content=Content(mime=base64.b64encode(request.body).decode()) if request.body.strip() else Content(),
            envelope_from=envelope_from,
            evidence=evidence(headers, self._receivers, address, several or not address),
        )


def _signed_once(request: WebhookRequest) -> tuple[str, ...]:
    """The signature says nothing of the envelope, so it is taken once, whomever it names the second time."""
    identifier = request.headers.get("webhook-id", "") if "webhook-signature" in request.headers else ""
    return (f"raw-mail:signed:{identifier}",) if identifier else ()


def _addresses(value: str) -> tuple[str, ...]:
    parts = (part.strip().strip("<>").lower()[:320] for part in value.split(",")[:_RECIPIENTS_MAX])
    return tuple(dict.fromkeys(part for part in parts if part))


def _from_env(env: Env) -> Provider | None:
    tokens = env.list("RAW_MAIL_TOKENS", None, subcast=str.strip, validate=tokens_setting.checked)
    receivers = env.list("RAW_MAIL_AUTHSERV_IDS", [], subcast=str.strip)
    return RawMail(tuple(tokens), tuple(name.lower() for name in receivers if name)) if tokens else None


def _local_env() -> dict[str, str]:
    return {"RAW_MAIL_TOKENS": secrets.token_hex(16)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"token": env["RAW_MAIL_TOKENS"].split(",")[0]}


SPEC = ProviderSpec(
    name="raw-mail",
    provider=RawMail,
    channels=("email",),
    settings=("RAW_MAIL_TOKENS", "RAW_MAIL_AUTHSERV_IDS"),
    from_env=_from_env,
    sender=RawMailSender,
    local_env=_local_env,
    credentials=_credentials,
    made=_local_env,
)
