"""`POST /webhooks/hello-sms` with `Authorization: Bearer <token>` and a JSON body; on when HELLO_SMS_TOKENS is set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.proof import bearer, is_one_of
from integration_app.providers.hello_sms.sender import HelloSmsSender


class _Event(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.Str(required=True, validate=validate.Length(min=1, max=200))
    sender = fields.Str(required=True, data_key="from", validate=validate.Regexp(r"\+\d{7,15}\Z"))
    text = fields.Str(required=True)


_EVENT = _Event()


class HelloSms(Provider):
    name = "hello-sms"
    title = "Hello SMS"
    proven_by_headers = True
    max_body_bytes = 200_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 202,
        Outcome.DUPLICATE: 202,
        Outcome.RECORDED: 202,
        Outcome.BAD_SIGNATURE: 401,
        Outcome.NOT_CONFIGURED: 404,
        Outcome.MALFORMED: 422,
        Outcome.UNKNOWN_RECIPIENT: 422,
        Outcome.TOO_LARGE: 413,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._tokens = tokens

    def verify(self, request: WebhookRequest) -> None:
        if not is_one_of(bearer(request.headers.get("authorization", "")), self._tokens):
            raise BadSignature("the bearer token is missing or wrong")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.content_type != "application/json":
            raise MalformedPayload("the body is not application/json")
        try:
            event: dict[str, Any] = _EVENT.loads(request.body)
        except ValidationError as error:
            names = ", ".join(sorted(set(error.messages_dict) & set(_EVENT.fields))) or "some are unknown"
            raise MalformedPayload(f"these fields are missing or wrong: {names}") from None
        except (ValueError, RecursionError):
            raise MalformedPayload("the body is not JSON") from None
        return InboundMessage(
            provider=self.name,
            event_id=event["id"],
            dedupe_keys=(f"{self.name}:{event['id']}",),
            channel="sms",
            route=Route.SENDER,
            sender=event["sender"],
            received_at=request.received_at,
            control=carrier_word(event["text"]),
            content=Content(text=event["text"]),
        )


def _from_env(env: Env) -> Provider | None:
    tokens = env.list("HELLO_SMS_TOKENS", None, subcast=str.strip, validate=tokens_setting.checked)
    return HelloSms(tuple(tokens)) if tokens else None


def _local_env() -> dict[str, str]:
    return {"HELLO_SMS_TOKENS": secrets.token_hex(16)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"token": env["HELLO_SMS_TOKENS"].split(",")[0]}


SPEC = ProviderSpec(
    name="hello-sms",
    provider=HelloSms,
    channels=("sms",),
    settings=("HELLO_SMS_TOKENS",),
    from_env=_from_env,
    sender=HelloSmsSender,
    local_env=_local_env,
    credentials=_credentials,
    is_example=True,
)
