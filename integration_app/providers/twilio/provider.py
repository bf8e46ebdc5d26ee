"""Twilio Messaging: what is genuine, what it means, what to answer.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.twilio.sender import TwilioSender
from integration_app.providers.twilio.signature import is_genuine

# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: whole message, any case
CONTROL_WORDS = frozenset(
    [
        "STOP",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
        "START",
        "YES",
        "UNSTOP",
        "HELP",
        "INFO",
    ]
)

_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_MEDIA_MAX = 10


class Twilio(Provider):
    name = "twilio"
    title = "Twilio Messaging"
    max_body_bytes = 2_000_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 403,  # the fallback URL is called
        Outcome.NOT_CONFIGURED: 404,
        Outcome.MALFORMED: 200,
        Outcome.UNKNOWN_RECIPIENT: 200,
        Outcome.TOO_LARGE: 200,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, account_sid: str, tokens: tuple[str, ...], forward_words: tuple[str, ...] = ()) -> None:
        self._account_sid = account_sid
        self._tokens = tokens
        self._control_words = CONTROL_WORDS - {word.upper() for word in forward_words}

    def verify(self, request: WebhookRequest) -> None:
        signature = request.headers.get("x-twilio-signature")
        if not signature:
            raise BadSignature("X-Twilio-Signature is missing")
        # a GET has its parameters in the query, which is part of the URL already
        try:
            params = request.form if request.method == "POST" else []
        except MalformedPayload as error:
            raise BadSignature("the form cannot be read, so nothing proves where it comes from") from error
        if not is_genuine(signature, self._tokens, request.url, params, request.body):
            raise BadSignature("X-Twilio-Signature does not fit: wrong token, or PUBLIC_BASE_URL is another")

    def is_probe(self, request: WebhookRequest) -> bool:
        return request.method == "HEAD" or (request.method == "GET" and "MessageSid" not in dict(request.query_fields))

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.method == "POST" and request.content_type != "application/x-www-form-urlencoded":
            raise MalformedPayload("the body is not a form")
        fields = dict(request.form if request.method == "POST" else request.query_fields)
        if fields.get("AccountSid") != self._account_sid:
            raise MalformedPayload("AccountSid is not ours")
        sid = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid") or ""
        if not _SID.fullmatch(sid):
            raise MalformedPayload("MessageSid is missing")
        channel, sender = _channel(fields)
        if not sender:
            raise MalformedPayload("From is missing")
        body = fields.get("Body", "")
        return InboundMessage(
            provider=self.name,
            event_id=sid,
            # The signed string has no separators, so one signature fits many ways to cut it into fields.
            dedupe_keys=(f"{self.name}:{sid}", f"{self.name}:signature:{_signature(request)}"),
            channel=channel,
            route=Route.SENDER,
            sender=sender,
            sender_name=fields.get("ProfileName") or None,
            recipients=(_address(fields.get("To", "")),),
            received_at=request.received_at,
            speaker="Forwarded" if fields.get("Forwarded") == "true" else None,
            control=self._control_word(fields, body),
            content=Content(text=_with_location(body, fields), attachments=_media(fields)),
        )

    def reply(self, outcome: Outcome) -> Reply:
        """Empty TwiML: anything in text/plain would be texted back to the sender, and billed.

        https://www.twilio.com/docs/messaging/twiml#twilios-request-to-your-application
        """
        return Reply(
            self.status_of(outcome),
            b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>',
            "text/xml; charset=utf-8",
        )

    def _control_word(self, fields: Mapping[str, str], body: str) -> str | None:
        word = body.strip().upper()
        if fields.get("OptOutType"):
            return fields["OptOutType"].upper()[:10]
        return word if word in self._control_words else None


def _signature(request: WebhookRequest) -> str:
    return request.headers.get("x-twilio-signature", "").strip()


def _channel(fields: Mapping[str, str]) -> tuple[str, str]:
    """Channel and sender: `whatsapp:+1555…` says both. An MMS belongs to the same thread as texts."""
    sender = fields.get("From", "").strip()
    prefix, colon, rest = sender.partition(":")
    if colon:
        return prefix.lower()[:20], rest.strip()[:100]
    return "sms", sender[:100]


def _address(value: str) -> str:
    return value.strip()[:100]


def _media(fields: Mapping[str, str]) -> tuple[Attachment, ...]:
    try:
        count = min(int(fields.get("NumMedia") or 0), _MEDIA_MAX)
    except ValueError:
        count = _MEDIA_MAX  # said to be a number, is not: look for what is there
    types = (fields.get(f"MediaContentType{number}") for number in range(count))
    return tuple(Attachment(content_type=kind[:100]) for kind in types if kind)


def _with_location(body: str, fields: Mapping[str, str]) -> str:
    """A shared place is said in words; it has no body of its own."""
    latitude, longitude = fields.get("Latitude"), fields.get("Longitude")
    if not latitude or not longitude:
        return body
    place = ", ".join(part for part in (fields.get("Label"), fields.get("Address")) if part)
    line = f"[Location: {place + ' ' if place else ''}({latitude}, {longitude})]"
    return f"{body}\n{line}".strip()


def _from_env(env: Env) -> Provider | None:
    sid = env.str("TWILIO_ACCOUNT_SID", None)
    tokens = env.list("TWILIO_AUTH_TOKENS", None, subcast=str.strip, validate=_no_blanks)
    forward = env.list("TWILIO_FORWARD_WORDS", [], subcast=str.strip)
    if not sid and not tokens:
        return None
    # half a configuration is a mistake, not a provider that is off
    sid = env.str("TWILIO_ACCOUNT_SID", validate=_not_blank)
    tokens = env.list("TWILIO_AUTH_TOKENS", subcast=str.strip, validate=_no_blanks)
    return Twilio(sid, tuple(tokens), tuple(forward)) if sid and tokens else None


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ValidationError("must not be empty")


def _no_blanks(values: list[str]) -> None:
    if not values or not all(value.strip() for value in values):
        raise ValidationError("must be one token, or several separated by commas")


def _local_env() -> dict[str, str]:
    return {"TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}", "TWILIO_AUTH_TOKENS": secrets.token_hex(16)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {
        "account_sid": env["TWILIO_ACCOUNT_SID"],
        "auth_token": env["TWILIO_AUTH_TOKENS"].split(",")[0],
        "number": TwilioSender.NUMBER,
    }


SPEC = ProviderSpec(
    name="twilio",
    provider=Twilio,
    channels=("sms", "whatsapp"),
    settings=("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKENS", "TWILIO_FORWARD_WORDS"),
    from_env=_from_env,
    sender=TwilioSender,
    local_env=_local_env,
    credentials=_credentials,
)
