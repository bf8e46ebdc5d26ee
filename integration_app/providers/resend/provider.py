"""Resend inbound: the webhook says that a mail came, signed as Svix does; a worker fetches the mail.

https://resend.com/docs/webhooks/emails/received
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import MalformedPayload, VendorError
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers.base import Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common.email_headers import one_author
from integration_app.providers.common.fetch import fetch, fetch_json
from integration_app.providers.common.json_body import at, json_object, moment, text_at
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.resend.sender import ResendSender
from integration_app.providers.resend.stand_in import stand_in
from integration_app.standard_webhooks import Keys, event_id, read_keys, verify

API_BASE_URL = "https://api.resend.com"
HOSTS = ("resend.com",)
RECEIVED = "email.received"
_ID = re.compile(r"[\w.-]{1,4000}")
_RECIPIENTS_MAX = 50


class Resend(Provider):
    name = "resend"
    title = "Resend inbound"
    max_body_bytes = 1_000_000
    statuses = SENT_AGAIN

    def __init__(self, keys: Keys, api_key: str, api: str = API_BASE_URL) -> None:
        self._keys = keys
        self._api_key = api_key
        self._api = api

    def verify(self, request: WebhookRequest) -> None:
        verify(request.headers, request.body, self._keys, request.received_at)

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        kind = text_at(json_object(request), "type")
        return Reply(200) if kind and kind != RECEIVED else None

    def parse(self, request: WebhookRequest) -> InboundMessage:
        event = json_object(request)
        said = at(event, "data")
        identifier = text_at(said, "email_id")
        lists = (at(said, name) for name in ("to", "cc", "bcc", "received_for"))
        found = (row for rows in lists if isinstance(rows, list) for row in rows if isinstance(row, str))
        recipients = tuple(dict.fromkeys(address for row in found if (address := one_author(row)[1])))[:_RECIPIENTS_MAX]
        if text_at(event, "type") != RECEIVED or not _ID.fullmatch(identifier) or not recipients:
            raise MalformedPayload("type, data.email_id or data.to is missing")
        name, address, several = one_author(text_at(said, "from"))
        return InboundMessage(
            provider=self.name,
            event_id=identifier[:200],
            dedupe_keys=(f"{self.name}:{identifier}", f"{self.name}:{event_id(request.headers)}"),
            channel="email",
            route=Route.RECIPIENT,
            sender="" if several else address,
            sender_name=name or None,
            recipients=recipients,
            received_at=request.received_at,
            sent_at=moment(at(said, "created_at")),
            content=Content(subject=text_at(said, "subject")[:1000] or None, kept_as=identifier),
        )

    def read(self, content: Content) -> Content:
        """The raw mail; of one that Resend does not keep raw, its parts."""
        url = f"{self._api}/emails/receiving/{content.kept_as}?html_format=cid"
        mail = fetch_json(url, base_url=self._api, bearer=self._api_key)
        if raw := text_at(mail, "raw", "download_url"):
            try:
                return Content(mime=base64.b64encode(fetch(raw, base_url=self._api, hosts=HOSTS)).decode())
            except VendorError:
                if not text_at(mail, "text") and not text_at(mail, "html"):
                    raise
        headers = at(mail, "headers")
        rows = headers.items() if isinstance(headers, dict) else ()
        known = [(str(name).lower()[:80], value[:2000]) for name, value in rows if isinstance(value, str)]
        return Content(
            text=text_at(mail, "text") or None,
            html=text_at(mail, "html") or None,
            subject=text_at(mail, "subject") or content.subject,
            headers=tuple(known[:100]),
        )


def _from_env(env: Env) -> Provider | None:
    given = env.list("RESEND_WEBHOOK_SECRETS", None, subcast=str.strip, validate=_readable)
    api = env.str("RESEND_API_BASE_URL", API_BASE_URL)
    if not given:
        return None
    api_key = env.str("RESEND_API_KEY")
    return Resend(read_keys(given), api_key, api.rstrip("/")) if api_key else None


def _readable(values: list[str]) -> None:
    try:
        read_keys(values)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _local_env() -> dict[str, str]:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    return {"RESEND_WEBHOOK_SECRETS": secret, "RESEND_API_KEY": f"re_{secrets.token_hex(16)}"}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"secret": env["RESEND_WEBHOOK_SECRETS"].split(",")[0]}


SPEC = ProviderSpec(
    name="resend",
    provider=Resend,
    channels=("email",),
    settings=("RESEND_WEBHOOK_SECRETS", "RESEND_API_KEY", "RESEND_API_BASE_URL"),
    from_env=_from_env,
    sender=ResendSender,
    local_env=_local_env,
    credentials=_credentials,
    asked={
        "RESEND_WEBHOOK_SECRETS": "Signing secret: resend.com, Webhooks, the webhook",
        "RESEND_API_KEY": "API key: resend.com, API Keys; full access",
    },
    stand_in=stand_in,
    local_api_setting="RESEND_API_BASE_URL",
)
