"""Where deliveries go: `app`, through an app's key to many users, or `personal`, through one person's own key.

A destination makes requests of groups, sends them, and finds out whether one was stored after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from integration_app.model import Delivery, Held, Kind
from integration_app.pipeline.delivery.compose import Request
from integration_app.pipeline.delivery.group import Group


class Destination(Protocol):
    """`is_personal`: one person's; what is to do becomes an action item there."""

    is_personal: bool

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        """The request for a group. Raises ValueError when Omi would refuse it."""

    def send(self, delivery: Delivery) -> None:
        """One call. Raises `OmiError`."""

    def repeatable(self, kind: Kind, *, long: bool = False) -> bool:
        """Whether sending the same again cannot double it. `long`: a text out of which Omi takes memories itself."""

    def find(self, delivery: Delivery) -> bool:
        """Whether Omi holds it. Raises `OmiError`."""

    def held(self, uid: str, kind: Kind, start: datetime, end: datetime | None = None) -> Iterable[Held]:
        """What of this kind Omi holds from then to then, or to now. Raises `OmiError`."""

    def check(self, uid: str) -> str:
        """Ask Omi something that costs nothing, and say what that proves. Raises `OmiError`."""

    def reads(self, uid: str) -> Mapping[str, Callable[[], object]]:
        """What this destination reads, each with a call that tries it and raises `OmiError`."""

    def notify(self, uid: str, words: str) -> None:
        """Show it in the user's Omi app. Raises `OmiError`."""

    def close(self) -> None: ...
