"""What arrives and what becomes of its text, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from integration_app.model.lifecycle import AnyEvent, MessageState
from integration_app.model.user_rules import Then


class Kind(StrEnum):
    """What a message becomes in Omi; each kind has a quota, and so a gate, of its own."""

    CONVERSATION = "conversation"
    MEMORIES = "memories"
    TASKS = "tasks"  # one person's own Omi only: an app cannot create them


UNREADABLE = "UNREADABLE"
"""`control` of a message whose record cannot be read: it is parked."""


CHAT_CHANNELS = frozenset({"sms", "whatsapp", "rcs", "telegram", "chat"})
"""Channels in which people say one thing in several messages."""


class Route(StrEnum):
    """How a message finds its uids: by the proven phone that sent it, by the private address it reached, or because
    the signer may name the uid.
    """

    SENDER = "sender"
    RECIPIENT = "recipient"
    UID = "uid"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came along. `size` in bytes; `data` where it can be read, no longer than until it is.

    `url`: where its vendor keeps it. `charset` as its part says. `why_not`: why its bytes were not kept.
    """

    content_type: str
    name: str | None = None
    size: int | None = None
    data: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    charset: str | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What was said, as the provider handed it over; erased as soon as the text has been prepared.

    `mime` is a raw mail, base64 so that it stays byte-exact inside JSON; it wins over `text` and `html`.
    `headers` are those of a parsed mail, names in lower case, the topmost of a name first. `place` is a latitude and a
    longitude in degrees. `kept_as`: what its vendor keeps the rest as, until a worker fetches it.
    """

    text: str | None = None
    html: str | None = None
    subject: str | None = None
    mime: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    place: tuple[float, float] | None = None
    kept_as: str | None = None


class Trust(StrEnum):
    """How far a message's sender is believed."""

    VERIFIED = "verified"  # proven by who can know, and wanted by the user
    ALLOWED = "allowed"  # it knew the private address, or came from a linked phone; nothing more is known
    REJECTED = "rejected"  # proven false, harmful, or not on the user's list


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a message is believed, and why: short sentences for the operator and the user, never a quotation."""

    trust: Trust
    why: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether it goes to quarantine."""
        return self.trust is Trust.REJECTED


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a provider found out about who sent a message; None or empty where it says nothing.

    `platform`: the network itself knows the sender (WhatsApp, RCS), or the event bears a signature of our own.
    `spf` and `dmarc` are "pass", "fail" or another word of theirs; `spf_domain` is what SPF was asked about, `dkim`
    the domains whose signatures are good. `several_authors`: more than one, or none that can be read. `policy` is what
    the domain's owner wants done after a DMARC failure.
    """

    platform: bool = False
    spf: str | None = None
    spf_domain: str | None = None
    dkim: tuple[str, ...] = ()
    author_signed: bool = False
    dmarc: str | None = None
    policy: str | None = None
    malware: bool = False
    several_authors: bool = False


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Hints:
    """What an event says about itself beyond its text; it then goes to Omi as it says, on its own."""

    kind: Kind = Kind.CONVERSATION
    tags: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    text_source: str | None = None
    text_source_spec: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One genuine event of a provider.

    `event_id` is the provider's own id and becomes `source_id` in Omi. `dedupe_keys` name the event so that a
    second delivery of it is recognised; any one of them seen before means duplicate.
    `sender` is an E.164 number, an account of a messenger ("telegram:1555") or a mailbox, `recipients` what it was sent
    to (for mail: the envelope).
    For mail, `sender` is the author that it shows (`From`), and `envelope_from` who handed it in: "" is a bounce's,
    None is unknown. `speaker` names whose words these are when they are not the user's own; `control` says why
    it is recorded and never forwarded: a word for the carrier (STOP, HELP), a part without words, a loop.
    """

    provider: str
    event_id: str
    dedupe_keys: tuple[str, ...]
    channel: str
    route: Route
    sender: str
    received_at: datetime
    content: Content
    recipients: tuple[str, ...] = ()
    sender_name: str | None = None
    sent_at: datetime | None = None
    speaker: str | None = None
    control: str | None = None
    hints: Hints | None = None
    envelope_from: str | None = None
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class PreparedText:
    """What of a message goes to Omi: clean text, what it becomes, its tags and its head (mail only).

    `asked`: the message itself says what it wants to become. `to_do`: it is something to do. `said_at`: when it was
    said, where its text tells (a forwarded mail). `automatic`: why no person wrote it (a bounce, a mailing
    list). `parts`: how many messages a text that is too long was made into, of which this is number `part`.
    `history`: the mail that is answered, cut off `text` and kept beside it. `attached`: the words of attachments, which
    `named` names for a user who does not want them read. `place`: a latitude and a longitude in degrees.
    """

    text: str
    kind: Kind
    tags: tuple[str, ...] = ()
    head: str | None = None
    asked: bool = False
    to_do: bool = False
    said_at: datetime | None = None
    automatic: str | None = None
    part: int = 1
    parts: int = 1
    history: str = ""
    attached: str = ""
    named: str = ""
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message in one uid's outbox. `seq` counts up over all messages: the order of arrival.

    `content` is what it came with, where it is not prepared yet and small enough to be looked at in passing.
    `tried_at` is the last try, `first_tried_at` the first one that counts against the retry horizon. `epoch`: that of
    the store when it was accepted, or last found not to be in Omi. `released`: it was held, and its user or an operator
    wants it delivered. `then`: what a rule of its user's makes of it.
    """

    id: str
    seq: int
    message: InboundMessage
    prepared: PreparedText | None = None
    content: Content | None = None
    first_tried_at: datetime | None = None
    tried_at: datetime | None = None
    epoch: int = 0
    released: bool = False
    then: Then | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known about one message but its text: what it is, where it stands for each uid, what happened."""

    id: str
    message: InboundMessage
    states: dict[str, MessageState]
    events: tuple[AnyEvent, ...] = ()
