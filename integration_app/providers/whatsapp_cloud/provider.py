"""WhatsApp Cloud API: batches of messages with statuses mixed in, signed over the raw bytes; media by their ids.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from environs import Env

from integration_app.errors import BadSignature, DoorError, VendorError
from integration_app.model import Attachment, InboundMessage
from integration_app.providers.base import Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.batches import first_of
from integration_app.providers.common.fetch import fetch, fetch_json
from integration_app.providers.common.json_body import json_object, text_at
from integration_app.providers.common.proof import hex_mac, is_one_of
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.whatsapp_cloud.message import CHANNEL, FILE, NAME, messages_in
from integration_app.providers.whatsapp_cloud.sender import WhatsAppSender
from integration_app.providers.whatsapp_cloud.stand_in import stand_in

API_BASE_URL = "https://graph.facebook.com/v25.0"
HOSTS = ("fbsbx.com", "fbcdn.net")
"""Where its media lie; the access token goes nowhere else."""
_CHALLENGE = re.compile(r"[\w-]{1,200}")


class WhatsAppCloud(Provider):
    name = NAME
    title = "WhatsApp Cloud API"
    messenger = "WhatsApp"
    max_body_bytes = 4_000_000  # Meta sends up to 3 MB
    statuses = SENT_AGAIN

    def __init__(
        self,
        app_secrets: tuple[str, ...],
        verify_token: str,
        *,
        access_token: str | None = None,
        numbers: tuple[str, ...] = (),
        phone: str | None = None,
        api: str = API_BASE_URL,
    ) -> None:
        self._app_secrets = app_secrets
        self._verify_token = verify_token
        self._access_token = access_token
        self._numbers = numbers
        self._phone = phone
        self._api = api

    def is_probe(self, request: WebhookRequest) -> bool:
        """A GET with `hub.mode` is the handshake."""
        return request.method == "HEAD" or (request.method == "GET" and "hub.mode" not in dict(request.query_fields))

    def verify(self, request: WebhookRequest) -> None:
        if request.method == "GET":
            if not is_one_of(dict(request.query_fields).get("hub.verify_token", ""), [self._verify_token]):
                raise BadSignature("hub.verify_token is not WHATSAPP_VERIFY_TOKEN")
            return
        scheme, _, given = request.headers.get("x-hub-signature-256", "").strip().partition("=")
        if scheme != "sha256" or not is_one_of(given, [hex_mac(key, request.body) for key in self._app_secrets]):
            raise BadSignature("X-Hub-Signature-256 is missing, or fits none of our app secrets")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """The handshake, and what carries statuses alone."""
        if request.method == "GET":
            challenge = dict(request.query_fields).get("hub.challenge", "")
            return Reply(200, challenge.encode() if _CHALLENGE.fullmatch(challenge) else b"", "text/plain")
        return None if self.messages(request) else Reply(200)

    def messages(self, request: WebhookRequest) -> Sequence[InboundMessage | DoorError]:
        return messages_in(json_object(request), self._numbers, request.received_at)

    def parse(self, request: WebhookRequest) -> InboundMessage:
        return first_of(self.messages(request))

    def fetch(self, attachment: Attachment) -> bytes:
        """A file has an address for five minutes at a time, and wants the token there too."""
        assert attachment.url is not None  # noqa: S101 - only those are asked for
        if self._access_token is None:
            raise VendorError("WHATSAPP_ACCESS_TOKEN is not set")
        identifier = quote(attachment.url.removeprefix(FILE), safe="")
        found = fetch_json(f"{self._api}/{identifier}", base_url=self._api, bearer=self._access_token)
        return fetch(text_at(found, "url"), base_url=self._api, hosts=HOSTS, bearer=self._access_token)

    def link_url(self, code: str) -> str | None:
        return f"https://wa.me/{self._phone.lstrip('+')}?text={quote(code)}" if self._phone else None


def _from_env(env: Env) -> Provider | None:
    keys = env.list("WHATSAPP_APP_SECRETS", None, subcast=str.strip, validate=tokens_setting.checked)
    numbers = env.list("WHATSAPP_PHONE_NUMBER_IDS", [], subcast=str.strip)
    how: dict[str, Any] = {
        "access_token": env.str("WHATSAPP_ACCESS_TOKEN", None),
        "numbers": tuple(number for number in numbers if number),
        "phone": env.str("WHATSAPP_NUMBER", None),
        "api": env.str("WHATSAPP_API_BASE_URL", API_BASE_URL).rstrip("/"),
    }
    if not keys:
        return None
    token = env.str("WHATSAPP_VERIFY_TOKEN", validate=lambda value: tokens_setting.checked([value]))
    return WhatsAppCloud(tuple(keys), token, **how) if token else None


def _made() -> dict[str, str]:
    return {"WHATSAPP_VERIFY_TOKEN": secrets.token_hex(16)}


def _local_env() -> dict[str, str]:
    return _made() | {"WHATSAPP_APP_SECRETS": secrets.token_hex(16), "WHATSAPP_ACCESS_TOKEN": secrets.token_hex(24)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"app_secret": env["WHATSAPP_APP_SECRETS"].split(",")[0], "verify_token": env["WHATSAPP_VERIFY_TOKEN"]}


SPEC = ProviderSpec(
    name=NAME,
    provider=WhatsAppCloud,
    channels=(CHANNEL,),
    settings=(
        "WHATSAPP_APP_SECRETS",
        "WHATSAPP_VERIFY_TOKEN",
        "WHATSAPP_ACCESS_TOKEN",
        "WHATSAPP_PHONE_NUMBER_IDS",
        "WHATSAPP_NUMBER",
        "WHATSAPP_API_BASE_URL",
    ),
    from_env=_from_env,
    sender=WhatsAppSender,
    local_env=_local_env,
    credentials=_credentials,
    asked={"WHATSAPP_APP_SECRETS": "App secret: developers.facebook.com, your app, App settings, Basic"},
    made=_made,
    account="whatsapp:US.13491208655302741918",
    stand_in=stand_in,
    local_api_setting="WHATSAPP_API_BASE_URL",
)
