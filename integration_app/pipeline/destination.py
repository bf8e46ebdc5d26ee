"""Where deliveries go: through an app's key to many users, or through one person's own key to that person.

A destination makes requests of groups, sends them, and finds out whether one was stored after all.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from integration_app.model import Delivery, Kind
from integration_app.omi import AppNotEnabled, IntegrationsClient
from integration_app.pipeline.compose import Request, compose
from integration_app.pipeline.group import Group

_WINDOW = timedelta(seconds=2)


class Destination(Protocol):
    """`is_personal`: one person's; what is to do becomes an action item there."""

    is_personal: bool

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        """The request for a group. Raises ValueError when Omi would refuse it."""

    def send(self, delivery: Delivery) -> None:
        """One call. Raises `OmiError`."""

    def repeatable(self, kind: Kind) -> bool:
        """Whether sending the same again cannot double it."""

    def find(self, delivery: Delivery) -> bool:
        """Whether Omi holds it. Raises `OmiError`."""

    def check(self, uid: str) -> str:
        """Ask Omi something that costs nothing, and say what that proves. Raises `OmiError`."""

    def notify(self, uid: str, words: str) -> None:
        """Show it in the user's Omi app. Raises `OmiError`."""

    def close(self) -> None: ...


class ToUsers:
    """The integrations API: every uid that enabled the app."""

    is_personal = False

    def __init__(self, client: IntegrationsClient) -> None:
        self._client = client

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        return compose(group, language=language)

    def send(self, delivery: Delivery) -> None:
        if delivery.lane.kind is Kind.MEMORIES:
            self._client.create_memories(delivery.uid, delivery.body)
        else:
            self._client.create_conversation(delivery.uid, delivery.body)

    def repeatable(self, kind: Kind) -> bool:
        """Explicit memories: the same content gets the same id."""
        return kind is Kind.MEMORIES

    def find(self, delivery: Delivery) -> bool:
        """For imports Omi's `created_at` is our `started_at`, so a window around it holds few conversations.

        The microseconds are unique; the text is compared where Omi returns it (a locked one comes back blank). Where
        times come back in whole milliseconds, those and the same text are taken for ours.
        """
        around = self._client.iter_conversations(
            delivery.uid,
            include_discarded=True,
            start=delivery.started_at - _WINDOW,
            end=delivery.started_at + _WINDOW,
        )
        text = delivery.body.get("text")
        micros = delivery.started_at.microsecond
        rounded = delivery.started_at.replace(microsecond=micros - micros % 1000)
        for conversation in around:
            times = (conversation.started_at, conversation.created_at)
            if delivery.started_at in times and conversation.text in (None, "", text):
                return True
            if rounded in times and conversation.text == text:
                return True
        return False

    def check(self, uid: str) -> str:
        try:
            self._client.conversations(uid, limit=1)
        except AppNotEnabled:
            return "accepts the key; actions show with the first user"
        return "accepts the key and lets the app read"

    def notify(self, uid: str, words: str) -> None:
        self._client.notify(uid, words)

    def close(self) -> None:
        self._client.close()
