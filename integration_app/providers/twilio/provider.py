"""Twilio: what is genuine, what to answer. What a webhook means is in `messaging` and `voice`.

https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload, NotYet
from integration_app.model import Attachment, InboundMessage
from integration_app.providers.base import Outcome, Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.carrier_words import CARRIER_WORDS
from integration_app.providers.common.fetch import fetch, fetch_json
from integration_app.providers.common.json_body import text_at
from integration_app.providers.twilio.api import API_BASE_URL, MessageList, check_number
from integration_app.providers.twilio.conversations import ADDED, MEDIA, is_conversation, parse_added
from integration_app.providers.twilio.messaging import parse_message, sid_of
from integration_app.providers.twilio.parts import Parsed
from integration_app.providers.twilio.sender import TwilioSender
from integration_app.providers.twilio.signature import is_genuine
from integration_app.providers.twilio.voice import parse_call

MEDIA_BASE_URL = "https://mcs.us1.twilio.com"
"""Where media of Conversations are asked for: https://www.twilio.com/docs/conversations-classic/api/media-resource"""
MEDIA_HOSTS = ("twilio.com", "twiliocdn.com")


class Twilio(Provider):
    name = "twilio"
    title = "Twilio: SMS, MMS, WhatsApp, RCS, calls, Conversations"
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

    def __init__(
        self,
        account_sid: str,
        tokens: tuple[str, ...],
        forward_words: tuple[str, ...] = (),
        api: str = API_BASE_URL,
        *,
        reads_recordings: bool = False,
    ) -> None:
        self._account_sid = account_sid
        self._api = api
        self._tokens = tokens
        self._reads_recordings = reads_recordings
        self._control_words = CARRIER_WORDS - {word.upper() for word in forward_words}

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
        if request.method != "GET":
            return request.method == "HEAD"
        fields = dict(request.query_fields)
        return not sid_of(fields) and "CallSid" not in fields

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.method == "POST" and request.content_type != "application/x-www-form-urlencoded":
            raise MalformedPayload("the body is not a form")
        fields = dict(request.query_fields) | dict(request.form if request.method == "POST" else ())
        if fields.get("AccountSid") != self._account_sid:
            raise MalformedPayload("AccountSid is not ours")
        found = self._meaning(fields)
        return InboundMessage(
            provider=self.name,
            event_id=found.event_id,
            # The signed string has no separators, so one signature fits many ways to cut it into fields.
            dedupe_keys=(f"{self.name}:{found.key}", f"{self.name}:signature:{_signature(request)}"),
            channel=found.channel,
            route=found.route,
            sender=found.sender,
            sender_name=found.sender_name,
            recipients=(found.to,),
            received_at=request.received_at,
            sent_at=found.sent_at,
            speaker=found.speaker,
            control=found.control,
            content=found.content,
            evidence=found.evidence,
        )

    def _meaning(self, fields: Mapping[str, str]) -> Parsed:
        if is_conversation(fields):
            return parse_added(fields, self._control_words)
        if not sid_of(fields) and "CallSid" in fields:
            return parse_call(fields, reads_recordings=self._reads_recordings)
        return parse_message(fields, self._control_words)

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """What else happens in a conversation: participants, states, reads."""
        fields = dict(request.query_fields) | dict(request.form if request.method == "POST" else ())
        is_other = is_conversation(fields) and fields["EventType"] != ADDED
        return self.reply(Outcome.ACKNOWLEDGED) if is_other else None

    def backfill(self, since: datetime) -> Iterator[InboundMessage]:
        """Messages that Twilio took in since then, oldest last, as its REST API lists them."""
        return MessageList(self._account_sid, self._tokens, self._api).since(since, self._control_words)

    def console(self, base_url: str, phone: str | None) -> Iterator[tuple[bool, str]]:
        return check_number(self._account_sid, self._tokens, self._api, f"{base_url}/webhooks/{self.name}", phone)

    def fetch(self, attachment: Attachment) -> bytes:
        """A picture message's or a call's media, with the account's credentials; one token may be rotated already."""
        assert attachment.url is not None  # noqa: S101 - only those are asked for
        if attachment.url.startswith(MEDIA):
            base = MEDIA_BASE_URL if self._api == API_BASE_URL else self._api
            found = fetch_json(
                f"{base}/{attachment.url.removeprefix(MEDIA)}", base_url=base, auth=(self._account_sid, self._tokens[0])
            )
            return fetch(text_at(found, "links", "content_direct_temporary"), base_url=base, hosts=MEDIA_HOSTS)
        for token in self._tokens[:-1]:
            try:
                return fetch(attachment.url, base_url=self._api, auth=(self._account_sid, token))
            except NotYet:
                continue
        return fetch(attachment.url, base_url=self._api, auth=(self._account_sid, self._tokens[-1]))

    def reply(self, outcome: Outcome, why: str | None = None) -> Reply:
        """Empty TwiML: anything in text/plain would be texted back to the sender, and billed.

        https://www.twilio.com/docs/messaging/twiml#twilios-request-to-your-application
        """
        return Reply(
            self.status_of(outcome),
            b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>',
            "text/xml; charset=utf-8",
        )


def _signature(request: WebhookRequest) -> str:
    return request.headers.get("x-twilio-signature", "").strip()


def _from_env(env: Env) -> Provider | None:
    sid = env.str("TWILIO_ACCOUNT_SID", None)
    tokens = env.list("TWILIO_AUTH_TOKENS", None, subcast=str.strip, validate=tokens_setting.checked)
    forward = env.list("TWILIO_FORWARD_WORDS", [], subcast=str.strip)
    api = env.str("TWILIO_API_BASE_URL", API_BASE_URL)
    if not sid and not tokens:
        return None
    # half a configuration is a mistake, not a provider that is off
    sid = env.str("TWILIO_ACCOUNT_SID", validate=_not_blank)
    tokens = env.list("TWILIO_AUTH_TOKENS", subcast=str.strip, validate=tokens_setting.checked)
    if not sid or not tokens:
        return None
    reads = bool(env.str("TRANSCRIBE_URL", None))  # else a recording has no words
    return Twilio(sid, tuple(tokens), tuple(forward), api.rstrip("/"), reads_recordings=reads)


def _not_blank(value: str) -> None:
    if not value.strip():
        raise ValidationError("must not be empty")


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
    channels=("sms", "whatsapp", "rcs", "call", "chat"),
    settings=("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKENS", "TWILIO_FORWARD_WORDS", "TWILIO_API_BASE_URL"),
    from_env=_from_env,
    sender=TwilioSender,
    local_env=_local_env,
    credentials=_credentials,
    is_usual=True,
    asked={
        "TWILIO_ACCOUNT_SID": "Account SID: console.twilio.com, first page, Account Info",
        "TWILIO_AUTH_TOKENS": "Auth token: beside it",
    },
)
