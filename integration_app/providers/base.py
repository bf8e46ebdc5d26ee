"""What a provider is: functions from a request to a message, and from an outcome to the vendor's status.

No Flask here: a request is a value, so a provider is tested with bytes and no server.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from environs import Env

from integration_app.errors import BadSignature, DoorError, MalformedPayload, VendorError
from integration_app.model import Attachment, Content, InboundMessage

FORM_FIELDS_MAX = 2000
SIGNED_TIME_MAX = timedelta(days=29)
"""Older than that no signed request is taken: ids of messages are known for thirty days, so it may have been here."""
SIGNED_TIME_AHEAD = timedelta(days=1)


class Outcome(StrEnum):
    """What became of a webhook, in our words; each provider says which status makes the vendor do the right thing."""

    PROBE = "probe"
    ACKNOWLEDGED = "acknowledged"
    STORED = "stored"
    DUPLICATE = "duplicate"
    RECORDED = "recorded"
    BAD_SIGNATURE = "bad signature"
    NOT_CONFIGURED = "not configured"
    MALFORMED = "malformed"
    UNKNOWN_RECIPIENT = "unknown recipient"
    TOO_LARGE = "too large"
    OVER_LIMIT = "over a limit"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class WebhookRequest:
    """One HTTP request. `url` is the public one: the configured base plus the target exactly as it was sent."""

    method: str
    url: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    received_at: datetime

    @cached_property
    def form(self) -> list[tuple[str, str]]:
        """Fields of an urlencoded body in the order sent, values decoded and untrimmed."""
        return _pairs(self.body)

    @cached_property
    def query_fields(self) -> list[tuple[str, str]]:
        return _pairs(self.query.encode("latin-1", "replace"))

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a message, for who sent it. `control` as the message has it; `wants_receipt`: a user of theirs
    wants to be shown that it was written down.
    """

    outcome: Outcome
    control: str | None = None
    wants_receipt: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request as the vendor would send it to us."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """What a sender is to say: from whom, to whom, what. `event_id` None means a new one."""

    sender: str
    to: str
    text: str
    html: str | None = None
    subject: str | None = None
    media: tuple[str, ...] = ()
    in_reply_to: str | None = None
    event_id: str | None = None
    channel: str | None = None


class Provider(ABC):
    """One vendor's webhook, configured. Subclasses decide nothing beyond `verify`, `parse` and the two tables."""

    name: ClassVar[str]
    title: ClassVar[str]
    max_body_bytes: ClassVar[int] = 1_000_000
    endings: ClassVar[tuple[str, ...]] = ("",)
    """What may stand behind `/webhooks/<name>`, where a vendor looks at the end of a URL."""
    proven_by_headers: ClassVar[bool] = False
    """`verify` needs no body: it is asked before one is read."""
    messenger: ClassVar[str] = ""
    """What people call it, where they link an account of it: `link_url` opens it."""
    gives_receipts: ClassVar[bool] = False
    """Senders can be shown, in the answer, that their message was written down."""
    statuses: ClassVar[Mapping[Outcome, int]]

    @abstractmethod
    def verify(self, request: WebhookRequest) -> None:
        """Raise `BadSignature` unless the request provably comes from the vendor."""

    @abstractmethod
    def parse(self, request: WebhookRequest) -> InboundMessage:
        """What a genuine request means. Raises `MalformedPayload` when it is not what the vendor documents."""

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """Act on a genuine request that carries no message (a subscription to confirm, a receipt), and answer it.

        None when it carries one. Whatever it raises lets the vendor try again.
        """
        return None

    def messages(self, request: WebhookRequest) -> Sequence[InboundMessage | DoorError]:
        """All that a genuine request carries, for vendors that send several at a time; in the place of one that is not
        as documented, why. Raises as `parse` does.
        """
        return (self.parse(request),)

    def tell_sender(self, request: WebhookRequest, told: Told) -> Reply | None:
        """The answer where a vendor shows it to the sender; None for the one of `reply`."""
        return None

    def read(self, content: Content) -> Content:
        """What the vendor keeps as `content.kept_as`. Raises `NotYet` or `VendorError`."""
        raise VendorError(f"{self.title} keeps no texts")

    def link_url(self, code: str) -> str | None:
        """An address that opens the vendor's app with a link code ready to be sent; None where there is none."""
        return None

    def set_webhook(self, url: str) -> Iterator[str]:
        """Have the vendor call `url`, through its API; says what was done. Raises `VendorError`."""
        raise NotImplementedError(f"{self.title} is set up by hand")

    def backfill(self, since: datetime) -> Iterator[InboundMessage]:
        """What the vendor took in since then and may have failed to deliver, asked of the vendor itself."""
        raise NotImplementedError(f"{self.title} keeps no list of messages")

    def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment that the vendor keeps. Raises `NotYet` or `VendorError`."""
        raise VendorError(f"{self.title} keeps no attachments")

    def console(self, base_url: str, phone: str | None) -> Iterator[tuple[bool, str]]:
        """What the vendor's API tells about its settings for us: whether it is right, and what it is. Raises
        `VendorError`. Most tell nothing.
        """
        return iter(())

    @property
    def carries(self) -> tuple[str, ...]:
        """The channels that it carries as it is configured; empty for all that its SPEC names."""
        return ()

    def at(self, ending: str) -> Provider | None:
        """What is reached behind `/webhooks/<name>` with this ending; None for nothing."""
        return self if ending in self.endings else None

    def is_probe(self, request: WebhookRequest) -> bool:
        """A request that carries no event: answered 200, without effect."""
        return request.method in ("GET", "HEAD")

    def reply(self, outcome: Outcome, why: str | None = None) -> Reply:
        """The vendor's status for an outcome, with a body that cannot be taken for a message.

        `why` is for a caller that is genuine and sent something that cannot be used.
        """
        said = {"outcome": outcome.value} | ({"error": why} if why else {})
        return Reply(self.status_of(outcome), json.dumps(said).encode() + b"\n", "application/json")

    def status_of(self, outcome: Outcome) -> int:
        """Requests without an event always get 200; what is over a limit is to be sent again, as when we are away."""
        if outcome in (Outcome.PROBE, Outcome.ACKNOWLEDGED):
            return 200
        return self.statuses[Outcome.UNAVAILABLE if outcome is Outcome.OVER_LIMIT else outcome]


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A call of a vendor's API, as its stand-in gets it; `path` is relative, `base_url` where the stand-in lives."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    base_url: str


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    body: Any = None
    """Bytes, or what is sent as JSON."""
    status: int = 200
    content_type: str = "application/json"


class Sender(ABC):
    """Signs and builds requests as the vendor does, with the same settings as the provider."""

    @abstractmethod
    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        """The request with which the vendor delivers `message` to the webhook below `base_url`, signed at `now`."""

    @abstractmethod
    def samples(self) -> Mapping[str, SampleMessage]:
        """Messages worth trying, by name; `{phone}`, `{account}` and `{inbox}` in their addresses are filled in."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """What the registry finds in a folder.

    `asked` are the settings that the vendor gives, each with the place where it shows it; `made` makes up those that
    a deployment chooses itself. `from_env` returns None when the provider's settings are not set: it is off then.
    `local_env` makes up settings for a stack on this machine, `credentials` shows those for its `stack.json`;
    `local_settings` are only for the sender there, where the vendor keeps a private key to itself elsewhere.
    `mail_hosts`: endings of the hosts to which an MX record leads where it takes mail.
    `is_example`: a folder to copy, no vendor. `is_usual`: of several that carry a channel, the one to try it with.
    `account`: how a sender who has no phone number is written, by example.
    `stand_in` plays the vendor's API on this machine, below `<local_api>/<name>`; `local_api_setting` is told where.
    """

    name: str
    provider: type[Provider]
    channels: tuple[str, ...]
    settings: tuple[str, ...]
    from_env: Callable[[Env], Provider | None]
    sender: Callable[[Mapping[str, str]], Sender] | None = None
    local_env: Callable[[], dict[str, str]] = dict
    credentials: Callable[[Mapping[str, str]], dict[str, Any]] = field(default=lambda env: {})
    local_settings: tuple[str, ...] = ()
    is_example: bool = False
    is_usual: bool = False
    mail_hosts: tuple[str, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    made: Callable[[], dict[str, str]] = dict
    account: str = ""
    stand_in: Callable[[ApiRequest], ApiAnswer] | None = None
    local_api_setting: str = ""


def check_signed_time(signed_at: datetime, now: datetime) -> None:
    """Raises `BadSignature` for a time that a vendor's own retries cannot explain."""
    if not now - SIGNED_TIME_MAX < signed_at < now + SIGNED_TIME_AHEAD:
        raise BadSignature("signed too long ago, or in the future: it may be a copy of an old request")


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    try:
        return parse_qsl(
            raw.decode("utf-8", "replace"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="replace",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        raise MalformedPayload(f"a form of more than {FORM_FIELDS_MAX} fields") from None
