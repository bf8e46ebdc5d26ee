"""Linking phones and ending links.

A phone may serve several uids, but never in silence: those whom it serves already are told of each new one, and a new
link lasts a day unless one of them confirms it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.model import Clock
from integration_app.omi import OmiError
from integration_app.pipeline.delivery.destinations import Destination
from integration_app.store.installations import Installations
from integration_app.store.notices import Notices
from integration_app.store.shared_phones import SharedPhones

log = logs.get(__name__)

CONFIRM_WITHIN = timedelta(days=1)
_LINKED = (
    "Your {sender} was just linked to another Omi account, which gets your texts too. If that was you, confirm it on "
    "your Omi Inbox page within a day; else it ends then. To end it now, send UNLINK from there."
)
_UNLINKED = "Your {sender} is not linked to your Omi Inbox any more: it was removed, or UNLINK was sent from there."

ARRIVED_TODAY = "Today one message arrived in your Omi."
MANY_ARRIVED_TODAY = "Today {count} messages arrived in your Omi."


class Phones:
    def __init__(
        self,
        *,
        installations: Installations,
        shared: SharedPhones,
        notices: Notices,
        omi: Destination,
        clock: Clock,
    ) -> None:
        self._installations = installations
        self._shared = shared
        self._notices = notices
        self._omi = omi
        self._clock = clock

    def link(self, uid: str, number: str) -> None:
        """Bind a phone that has proved itself."""
        owners = self.owners(number)
        self._installations.link_phone(uid, number)
        others = [other for other in owners if other != uid]
        if not others:
            self._shared.settle(number, uid)  # what was to end for the sake of an owner who has gone
        elif uid not in owners:
            self._shared.provisional(number, uid, self._clock() + CONFIRM_WITHIN)
            self._notices.tell(others, _LINKED.format(sender=_named(number)))

    def owners(self, number: str) -> list[str]:
        """The uids whose links of this phone stay."""
        return [uid for uid in self._installations.with_phone(number) if self._shared.ends(number, uid) is None]

    def others(self, uid: str, number: str) -> int:
        """How many other accounts get this phone's texts."""
        return sum(other != uid for other in self._installations.with_phone(number))

    def ends(self, uid: str, number: str) -> datetime | None:
        """When this uid's link ends unless it is confirmed."""
        return self._shared.ends(number, uid)

    def waiting(self, uid: str, number: str) -> bool:
        """Whether this uid, an owner, is asked to confirm another's link."""
        linked = self._installations.with_phone(number)
        return uid in self.owners(number) and any(self._shared.ends(number, other) for other in linked)

    def confirm(self, uid: str, number: str) -> None:
        """An owner says that the other accounts may stay."""
        if uid in self.owners(number):
            for other in self._installations.with_phone(number):
                self._shared.settle(number, other)

    def remove(self, uid: str, number: str) -> None:
        """An owner ends every link of a phone; who is not confirmed ends only their own."""
        if uid in self.owners(number):
            self.end_all(number, by=uid)
        elif uid in self._installations.with_phone(number):
            self._end(uid, number)

    def end_all(self, number: str, *, by: str = "") -> int:
        """End all links of a phone, as its owner asks by texting UNLINK. How many there were."""
        linked = list(self._installations.with_phone(number))
        for uid in linked:
            self._end(uid, number)
        self._notices.tell([uid for uid in linked if uid != by], _UNLINKED.format(sender=_named(number)))
        return len(linked)

    def step(self) -> None:
        """End what was not confirmed in time. For the maintenance loop."""
        for number, uid in self._shared.over(self._clock()):
            self._end(uid, number)

    def tell(self) -> None:
        """Show what is to be told, one after the other; each is a call to Omi, so it has a thread of its own."""
        for uid, count in self._notices.daily(now=self._clock()):
            if count:
                with suppress(OmiError):  # the page says it too
                    self._omi.notify(uid, ARRIVED_TODAY if count == 1 else MANY_ARRIVED_TODAY.format(count=count))
        while told := self._notices.next():
            with suppress(OmiError):  # the page says it too
                self._omi.notify(*told)

    def _end(self, uid: str, number: str) -> None:
        self._installations.unlink_phone(uid, number)
        self._shared.settle(number, uid)
        log.info("a link of a phone has ended", uid=uid)


def _named(number: str) -> str:
    """Enough to recognise one's own."""
    kind, colon, account = number.partition(":")
    return f"{kind} account …{account[-2:]}" if colon else f"phone …{number[-4:]}"
