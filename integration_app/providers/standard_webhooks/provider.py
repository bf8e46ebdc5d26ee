"""`POST /webhooks/standard-webhooks`: the generic door, for journals, meeting notes, trackers, contacts and scripts."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env, ValidationError
from marshmallow import ValidationError as Invalid

from integration_app.errors import MalformedPayload
from integration_app.model import Content, Evidence, Hints, InboundMessage, Kind, Route
from integration_app.providers.base import Outcome, Provider, ProviderSpec, WebhookRequest
from integration_app.providers.standard_webhooks.event import CREATE_MEMORIES, EventSchema, named
from integration_app.providers.standard_webhooks.sender import StandardSender
from integration_app.standard_webhooks import Keys, event_id, read_keys, verify

_EVENT = EventSchema()
_PHONE = re.compile(r"\+\d{7,15}")


class StandardWebhooks(Provider):
    name = "standard-webhooks"
    title = "Standard Webhooks"
    max_body_bytes = 2_000_000
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 202,
        Outcome.DUPLICATE: 202,
        Outcome.RECORDED: 202,
        Outcome.BAD_SIGNATURE: 401,
        Outcome.NOT_CONFIGURED: 404,  # 410 would unsubscribe us
        Outcome.MALFORMED: 422,
        Outcome.UNKNOWN_RECIPIENT: 422,
        Outcome.TOO_LARGE: 413,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def verify(self, request: WebhookRequest) -> None:
        verify(request.headers, request.body, self._keys, request.received_at)

    def parse(self, request: WebhookRequest) -> InboundMessage:
        if request.content_type != "application/json":
            raise MalformedPayload("the body is not application/json")
        try:
            event: dict[str, Any] = _EVENT.loads(request.body)
        except Invalid as error:
            raise MalformedPayload("; ".join(named(error.messages))[:1000]) from None
        except (ValueError, RecursionError):
            raise MalformedPayload("the body is not JSON") from None
        data, identifier = event["data"], event_id(request.headers)
        place = data.get("geolocation") or {}
        return InboundMessage(
            provider=self.name,
            event_id=identifier,
            dedupe_keys=(f"{self.name}:{identifier}",),
            channel="event",
            route=_route(data),
            sender=data.get("address", "") if _route(data) is Route.SENDER else self.name,
            recipients=(data.get("uid") or data["address"],),
            received_at=request.received_at,
            content=Content(text=data["text"]),
            evidence=Evidence(platform=True),
            hints=Hints(
                kind=Kind.MEMORIES if event["type"] == CREATE_MEMORIES else Kind.CONVERSATION,
                tags=tuple(data.get("tags", ())),
                started_at=data.get("started_at"),
                finished_at=data.get("finished_at"),
                language=data.get("language"),
                latitude=place.get("latitude"),
                longitude=place.get("longitude"),
                text_source=data.get("text_source"),
                text_source_spec=data.get("text_source_spec"),
            ),
        )


def _route(data: Mapping[str, Any]) -> Route:
    """By uid, by a linked phone, or by a private inbox address."""
    if "uid" in data:
        return Route.UID
    return Route.SENDER if _PHONE.fullmatch(data["address"]) else Route.RECIPIENT


def _from_env(env: Env) -> Provider | None:
    values = env.list("STANDARD_WEBHOOKS_SECRETS", None, subcast=str.strip, validate=_readable)
    return StandardWebhooks(read_keys(values)) if values else None


def _readable(values: list[str]) -> None:
    try:
        read_keys(values)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _local_env() -> dict[str, str]:
    return {"STANDARD_WEBHOOKS_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"secret": env["STANDARD_WEBHOOKS_SECRETS"].split(",")[0]}


SPEC = ProviderSpec(
    name="standard-webhooks",
    provider=StandardWebhooks,
    channels=("event",),
    settings=("STANDARD_WEBHOOKS_SECRETS",),
    from_env=_from_env,
    sender=StandardSender,
    local_env=_local_env,
    credentials=_credentials,
    made=_local_env,
)
