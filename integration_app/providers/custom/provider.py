"""`/webhooks/custom/<name>`: a vendor that a file describes. What the file may say is in `config`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import BadSignature, DoorError, MalformedPayload
from integration_app.model import InboundMessage
from integration_app.providers.base import Outcome, Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common import basic_auth
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.batches import first_of
from integration_app.providers.common.json_body import json_object
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.custom.config import DoorConfig, DoorsError, read_doors
from integration_app.providers.custom.meaning import is_wanted, messages_of, text_along
from integration_app.providers.custom.proofs import check
from integration_app.providers.custom.sender import CustomSender
from integration_app.standard_webhooks import read_keys

_REFUSED = (Outcome.MALFORMED, Outcome.UNKNOWN_RECIPIENT, Outcome.TOO_LARGE)
_ECHO_MAX = 500


class CustomDoors(Provider):
    """All of them; what is reached at `/webhooks/custom` itself is none."""

    name = "custom"
    title = "Doors of your own"
    max_body_bytes = 1_000_000
    statuses = SENT_AGAIN

    def __init__(self, doors: Sequence[CustomDoor]) -> None:
        self._doors = {f"/{door.config.name}": door for door in doors}

    @property
    def carries(self) -> tuple[str, ...]:
        return tuple({door.config.channel for door in self._doors.values()})

    def at(self, ending: str) -> Provider | None:
        return self._doors.get(ending) if ending else self

    def verify(self, request: WebhookRequest) -> None:
        raise BadSignature("no door's name stands behind /webhooks/custom/")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        raise MalformedPayload("no door's name stands behind /webhooks/custom/")


class CustomDoor(Provider):
    """One of them."""

    name = "custom"
    title = "A door of your own"
    max_body_bytes = 1_000_000
    statuses = SENT_AGAIN

    def __init__(self, config: DoorConfig, known: tuple[str, ...]) -> None:
        self.config = config
        self._secrets = known

    def verify(self, request: WebhookRequest) -> None:
        try:
            check(request, self.config.proof, self._secrets)
        except BadSignature as error:
            raise BadSignature(f"{self.config.name}: {error}") from None

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """A handshake, whose value is said back; and what is not a message, as the file says."""
        body = json_object(request)
        if self.config.echo and (said := text_along(body, self.config.echo)):
            return Reply(200, said[:_ECHO_MAX].encode("utf-8", "replace"), "text/plain; charset=utf-8")
        return None if is_wanted(self.config, body) else Reply(200)

    def messages(self, request: WebhookRequest) -> Sequence[InboundMessage | DoorError]:
        try:
            return messages_of(self.config, json_object(request), request.received_at)
        except MalformedPayload as error:
            raise MalformedPayload(f"{self.config.name}: {error}") from None

    def parse(self, request: WebhookRequest) -> InboundMessage:
        return first_of(self.messages(request))

    def status_of(self, outcome: Outcome) -> int:
        if outcome in _REFUSED:
            return self.config.refused_status
        if outcome is Outcome.BAD_SIGNATURE:
            return self.config.unproven_status
        is_busy = outcome in (Outcome.UNAVAILABLE, Outcome.OVER_LIMIT)
        return self.config.busy_status if is_busy else super().status_of(outcome)


def _from_env(env: Env) -> Provider | None:
    text = env.str("CUSTOM_DOORS", None, validate=_readable)
    made = [CustomDoor(config, _secrets(env, config)) for config in read_doors(text)] if text and text.strip() else []
    return CustomDoors(made) if made else None


def _readable(text: str) -> None:
    try:
        if text.strip():
            read_doors(text)
    except DoorsError as error:
        raise ValidationError(str(error)) from None


def _secrets(env: Env, config: DoorConfig) -> tuple[str, ...]:
    """From the setting that the file names, several separated by commas."""

    def are_usable(values: list[str]) -> None:
        match config.proof.scheme:
            case "basic":
                basic_auth.checked(values)
            case "standard-webhooks":
                try:
                    read_keys(values)
                except ValueError as error:
                    raise ValidationError(str(error)) from None
            case _:
                tokens_setting.checked(values)

    return tuple(env.list(config.proof.secrets, subcast=str.strip, validate=are_usable) or ())


LOCAL_SECRETS = ("SLACK_SIGNING_SECRETS", "BLUEBUBBLES_TOKENS", "VONAGE_SIGNATURE_SECRETS", "BREVO_TOKENS")
"""What the examples name."""


def examples() -> Mapping[str, str]:
    """The worked examples, by name."""
    folder = resources.files(__package__).joinpath("examples")
    found = {item.name.removesuffix(".toml"): item.read_text(encoding="utf-8") for item in folder.iterdir()}
    return dict(sorted(found.items()))


def _local_env() -> dict[str, str]:
    return {"CUSTOM_DOORS": "\n".join(examples().values())} | {name: secrets.token_hex(16) for name in LOCAL_SECRETS}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {name.lower(): env[name].split(",")[0] for name in LOCAL_SECRETS}


SPEC = ProviderSpec(
    name="custom",
    provider=CustomDoors,
    channels=("chat", "sms", "email", "event"),
    settings=("CUSTOM_DOORS",),
    from_env=_from_env,
    sender=CustomSender,
    local_env=_local_env,
    credentials=_credentials,
    local_settings=LOCAL_SECRETS,
    account="custom-slack:U123ABC456",
)
