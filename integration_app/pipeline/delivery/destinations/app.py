"""The integrations API: every uid that enabled the app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from integration_app.model import Delivery, Held, Kind
from integration_app.omi import AppNotEnabled, IntegrationsClient
from integration_app.pipeline.delivery.compose import OTHER_TEXT, Request, compose
from integration_app.pipeline.delivery.group import Group

_WINDOW = timedelta(seconds=2)


class AppDestination:
    is_personal = False

    def __init__(self, client: IntegrationsClient, mail_source: str = OTHER_TEXT) -> None:
        self._client = client
        self._mail_source = mail_source
        self._app_id = client.app_id

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        return compose(group, language=language, mail_source=self._mail_source)

    def send(self, delivery: Delivery) -> None:
        if delivery.lane.kind is Kind.MEMORIES:
            self._client.create_memories(delivery.uid, delivery.body)
        else:
            self._client.create_conversation(delivery.uid, delivery.body)

    def repeatable(self, kind: Kind, *, long: bool = False) -> bool:
        """Explicit memories: the same content gets the same id. What Omi takes out of a text has none."""
        return kind is Kind.MEMORIES and not long

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
        if delivery.lane.kind is Kind.MEMORIES:
            return self._made_memories(delivery)
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

    def _made_memories(self, delivery: Delivery) -> bool:
        """Whether Omi has made memories for this app since the call. A text without facts makes none: then it is sent
        again, which makes none either. Without a tolerance: a memory of a call just before would stand for this one.
        """
        return any(made_at >= delivery.begun_at for made_at in self._memories_made(delivery.uid))

    def _memories_made(self, uid: str) -> Iterator[datetime]:
        for memory in self._client.iter_memories(uid, page=1000):
            if memory.created_at is not None and memory.app_id == self._app_id:
                yield memory.created_at

    def held(self, uid: str, kind: Kind, start: datetime, end: datetime | None = None) -> Iterator[Held]:
        """Conversations, and when this app made memories; an app cannot create action items."""
        if kind is Kind.MEMORIES:
            yield from (
                Held(made_at, None) for made_at in self._memories_made(uid) if start <= made_at <= (end or made_at)
            )
            return
        for found in self._client.iter_conversations(uid, include_discarded=True, start=start, end=end):
            if at := found.started_at or found.created_at:
                yield Held(at, found.text, found.finished_at)

    def check(self, uid: str) -> str:
        try:
            self._client.conversations(uid, limit=1)
        except AppNotEnabled:
            return "accepts the key; actions show with the first user"
        return "accepts the key and lets the app read"

    def reads(self, uid: str) -> dict[str, Callable[[], object]]:
        return {
            "reads conversations": lambda: self._client.conversations(uid, limit=1),
            "reads memories": lambda: self._client.memories(uid, limit=1),
        }

    def notify(self, uid: str, words: str) -> None:
        self._client.notify(uid, words)

    def close(self) -> None:
        self._client.close()
