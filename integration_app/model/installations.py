"""Who gets it: the uids that enabled the app, and how they want it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integration_app.model.messages import Kind
from integration_app.model.user_rules import UserRule


class InstallationState(StrEnum):
    """Whether Omi still accepts writes for a uid. `left` is only ever learned from a refused write."""

    ENABLED = "enabled"
    LEFT = "left"


class Tell(StrEnum):
    """What a user is shown in Omi: nothing, what could not be delivered, how many arrived too (once a day), or that
    something has arrived.
    """

    NOTHING = "nothing"
    PROBLEMS = "problems"
    DAILY = "daily"
    ARRIVALS = "arrivals"


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one user wants it. `import_as` None: a message decides by what it says.

    `language` as Omi takes it ("pt"). `senders`: who may write, as addresses and @domains, behind a "~" those that need
    no proof; empty is everybody who knows the private address. `automatic`: mailing lists and automatic mails are
    wanted too. `paused`: messages wait, since `paused_at`. `time_zone` as in "Europe/Lisbon". `keep_history`: senders,
    and @domains, whose mails are delivered with the mail that they answer. `read_attachments`: their words go along,
    not only their names. `tell`: what they are shown in Omi. `quiet_seconds`: their own quiet window.
    `daily`: what comes in is one conversation a day for each channel, at `daily_hour` of their zone. `receipts`:
    what they send is answered with a sign that it was written down, where the messenger can. `rules`: the first that
    fits a message decides.
    """

    import_as: Kind | None = None
    language: str | None = None
    senders: tuple[str, ...] = ()
    automatic: bool = False
    paused: bool = False
    paused_at: datetime | None = None
    time_zone: str = "UTC"
    keep_history: tuple[str, ...] = ()
    read_attachments: bool = True
    tell: Tell = Tell.NOTHING
    quiet_seconds: int | None = None
    daily: bool = False
    daily_hour: int = 20
    receipts: bool = False
    rules: tuple[UserRule, ...] = ()


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

    @property
    def numbers(self) -> tuple[str, ...]:
        """The phones among `phones`, which holds accounts of messengers too."""
        return tuple(phone for phone in self.phones if phone.startswith("+"))
