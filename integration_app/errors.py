"""Errors of the door: what can be wrong with a request or with the settings.

InboxError
├── SettingsError        the environment is incomplete or contradicts itself
├── DoorError            a webhook is refused
│   ├── BadSignature     not proven to come from the provider
│   ├── MalformedPayload proven, but not what the provider documents
│   ├── UnknownRecipient proven and readable, but for no uid of ours
│   └── OverLimit        proven and readable, but more than its users may have at a time
├── VendorError          a provider's own API cannot be asked
├── StoreUnfit           this Redis may not be used: it is not ours, or too few replicas have what was written
├── NotYet               come back later: the message waits, and nothing overtakes it
└── LeaseLost            another worker has taken over this outbox
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class InboxError(Exception):
    """Base of all errors of this application."""


class SettingsError(InboxError):
    """All mistakes of the environment at once: name of the setting → what is wrong with it."""

    def __init__(self, mistakes: Mapping[str, Sequence[str]]) -> None:
        self.mistakes = {name: list(what) for name, what in sorted(mistakes.items())}
        lines = [f"  {name}: {'; '.join(what)}" for name, what in self.mistakes.items()]
        super().__init__("the settings cannot be used:\n" + "\n".join(lines))


class DoorError(InboxError):
    """A webhook is refused. The sentence names the rule, never the sender's words."""


class BadSignature(DoorError):  # noqa: N818 - named for its meaning
    """The request does not prove that it comes from the provider."""


class MalformedPayload(DoorError):  # noqa: N818
    """Genuine, but not of the documented form; sending it again cannot help."""


class UnknownRecipient(DoorError):  # noqa: N818
    """Genuine and readable, but no installation has this address."""


class OverLimit(DoorError):  # noqa: N818
    """Genuine and readable, and more than its users may have at a time: to be sent again later."""


class VendorError(InboxError):
    """A provider's API does not answer as documented; the sentence says how."""


class StoreUnfit(InboxError):  # noqa: N818
    """What was to be written may be lost: nothing has been acknowledged, and no call made."""


class NotYet(InboxError):  # noqa: N818
    """What is needed is not there yet; it may be in `seconds`. `is_ours`: we are busy, so it certainly will."""

    def __init__(self, seconds: float, why: str, *, is_ours: bool = False) -> None:
        self.seconds = seconds
        self.is_ours = is_ours
        super().__init__(why)


class LeaseLost(InboxError):  # noqa: N818
    """The lease ran out meanwhile: another worker may hold it, so nothing may be sent or recorded."""
