"""The words of the house as frozen values.

Only data lives here: no I/O, no Flask, no Redis, no vendor's word. Times are aware and UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Clock = Callable[[], datetime]


class Kind(StrEnum):
    """What a message becomes in Omi; each kind has a quota, and so a gate, of its own."""

    CONVERSATION = "conversation"
    MEMORIES = "memories"
    TASKS = "tasks"  # one person's own Omi only: an app cannot create them


class MessageState(StrEnum):
    """Where one message stands for one uid."""

    WAITING = "waiting"
    SENDING = "sending"
    QUARANTINED = "quarantined"
    DONE = "done"
    PARKED = "parked"
    DROPPED = "dropped"


class InstallationState(StrEnum):
    """Whether Omi still accepts writes for a uid. `left` is only ever learned from a refused write."""

    ENABLED = "enabled"
    LEFT = "left"


class Route(StrEnum):
    """How a message finds its uids: by the proven phone that sent it, by the private address it reached, or because
    whoever signed it may name the uid.
    """

    SENDER = "sender"
    RECIPIENT = "recipient"
    UID = "uid"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came along and is named, never fetched. `size` in bytes."""

    content_type: str
    name: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What was said, as the provider handed it over; erased as soon as the text has been prepared.

    `mime` is a raw mail, base64 so that it stays byte-exact inside JSON; it wins over `text` and `html`.
    `headers` are those of a parsed mail, names in lower case, the topmost of a name first.
    """

    text: str | None = None
    html: str | None = None
    subject: str | None = None
    mime: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Trust(StrEnum):
    """How far a message's sender is believed."""

    VERIFIED = "verified"  # somebody who can know says so, and the user wants mail of that sender
    ALLOWED = "allowed"  # it knew the private address, or came from a linked phone; nothing more is known
    REJECTED = "rejected"  # proven false, harmful, or not on the user's list


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
    `sender` is an E.164 number or a mailbox, `recipients` what it was sent to (for mail: the envelope).
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
    said, where its text tells (a forwarded mail). `automatic`: why it is nobody's own words (a bounce, a mailing
    list). `parts`: how many messages a text that is too long was made into, of which this is number `part`.
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


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message in one uid's outbox. `seq` counts up over all messages: the order of arrival.

    `content` is what it came with, where it is not prepared yet and small enough to be looked at in passing.
    `tried_at` is the last try, `first_tried_at` the first one that counts against the retry horizon.
    """

    id: str
    seq: int
    message: InboundMessage
    prepared: PreparedText | None = None
    content: Content | None = None
    first_tried_at: datetime | None = None
    tried_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one user wants it. `import_as` None: a message decides by what it says.

    `language` as Omi takes it ("pt"). `senders`: who may write, as addresses and @domains; empty is everybody who
    knows the private address. `automatic`: mailing lists and automatic mails are wanted too. `paused`: messages wait.
    `time_zone` as in "Europe/Lisbon".
    """

    import_as: Kind | None = None
    language: str | None = None
    senders: tuple[str, ...] = ()
    automatic: bool = False
    paused: bool = False
    time_zone: str = "UTC"


NO_PREFERENCES = Preferences()


@dataclass(frozen=True, slots=True)
class Installation:
    """One uid that enabled the app in Omi."""

    uid: str
    state: InstallationState
    created_at: datetime
    inbox_token: str
    phones: tuple[str, ...] = ()
    left_at: datetime | None = None
    preferences: Preferences = NO_PREFERENCES


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Messages of one lane leave in the order of arrival and may be grouped."""

    channel: str
    sender: str
    kind: Kind


class GateScope(StrEnum):
    """Whom a closed gate holds up."""

    KIND = "kind"  # one uid, one kind: Omi's quota
    UID = "uid"  # one uid: the user left
    ALL_OF_KIND = "all of kind"  # everybody, one kind: a capability is missing
    ALL = "all"  # everybody: our key, our app, Omi down


@dataclass(frozen=True, slots=True)
class Gate:
    """A time before which nothing is sent; `tries` counts how often in a row it was closed without a success."""

    until: datetime
    reason: str
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages of one lane as one request to Omi, written down before the call.

    `body` is the exact JSON body; `started_at` with its unique microseconds plus the text is its fingerprint.
    """

    id: str
    uid: str
    lane: Lane
    message_ids: tuple[str, ...]
    body: dict[str, Any]
    started_at: datetime
    begun_at: datetime
    first_tried_at: datetime
    state: str = "sending"
    look_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to Omi, or one look at what Omi holds (`looked`): what it said, never what we said."""

    at: datetime
    outcome: str
    status: int | None = None
    seconds: float | None = None
    looked: bool = False


# --- Decisions: what `pipeline.policy` answers; somebody else acts on them --------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    note: str = "accepted by Omi"


@dataclass(frozen=True, slots=True)
class Retry:
    """Certainly not stored. The messages wait on; where `scope` is given, behind a gate that closes until `at`.

    `left`: the user has not enabled the app. `alarm`: an operator has to mend something.
    """

    at: datetime
    reason: str
    scope: GateScope | None = None
    alarm: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Outcome unknown: look into Omi before anything else, first at `look_at`.

    `gate`: looking was refused for a reason that holds up more than this delivery.
    """

    look_at: datetime
    reason: str
    gate: Retry | None = None


@dataclass(frozen=True, slots=True)
class Park:
    reason: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    reason: str


Decision = Done | Retry | Reconcile | Park | Drop


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known about one message, for a human: what it is, where it stands for each uid, what happened.

    Never carries the text.
    """

    id: str
    message: InboundMessage
    states: dict[str, str]
    events: tuple[dict[str, Any], ...] = field(default_factory=tuple)
