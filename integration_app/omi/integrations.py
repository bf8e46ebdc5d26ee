"""Omi's Data Import API, v2: act on every user who enabled the app, with the app's one key.

https://docs.omi.me/doc/developer/apps/Import
One attempt per call; raises by meaning (`integration_app.omi.errors`); never sleeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

from marshmallow import Schema, ValidationError

from integration_app.omi.errors import OutcomeUnknown, RateLimit, UnexpectedAnswer
from integration_app.omi.paging import pages
from integration_app.omi.schemas import (
    ConversationSchema,
    MemorySchema,
    NewConversationSchema,
    NewMemoriesSchema,
    TaskSchema,
)
from integration_app.omi.types import Conversation, Found, Memory, NewConversation, NewMemories, Task
from integration_app.omi.wire.transport import Transport

_CONVERSATION, _MEMORY, _TASK = ConversationSchema(), MemorySchema(), TaskSchema()
_NEW_CONVERSATION, _NEW_MEMORIES = NewConversationSchema(), NewMemoriesSchema()


def conversation_body(conversation: NewConversation) -> dict[str, Any]:
    """The exact JSON body that `create_conversation` sends; what a caller writes down before the call."""
    body: dict[str, Any] = _NEW_CONVERSATION.dump(conversation)
    return body


def memories_body(memories: NewMemories) -> dict[str, Any]:
    """The exact JSON body that `create_memories` sends."""
    body: dict[str, Any] = _NEW_MEMORIES.dump(memories)
    return body


class IntegrationsClient:
    """The app's view of Omi.

    `app_id` is a path segment, `api_key` an app-wide secret that can act on every enabled user.
    """

    def __init__(
        self,
        app_id: str,
        api_key: str,
        *,
        base_url: str = "https://api.omi.me",
        connect_timeout: float = 5.0,
        read_timeout: float = 130.0,
        connections: int = 16,
    ) -> None:
        self._transport = Transport(
            base_url,
            api_key,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            connections=connections,
        )
        self.app_id = self._app_id = app_id
        self._base = f"/v2/integrations/{quote(app_id, safe='')}"

    def __repr__(self) -> str:
        return f"IntegrationsClient({self._transport.base_url + self._base!r})"

    def create_conversation(self, uid: str, conversation: NewConversation | dict[str, Any]) -> None:
        """Store one conversation. Takes seconds to two minutes; Omi answers `{}` and no id."""
        body = conversation if isinstance(conversation, dict) else conversation_body(conversation)
        answer = self._transport.call("POST", f"{self._base}/user/conversations", params={"uid": uid}, json=body)
        if not isinstance(answer, dict):
            raise OutcomeUnknown("Omi answered success with something else than it documents", status=200)

    def create_memories(self, uid: str, memories: NewMemories | dict[str, Any]) -> None:
        """Store memories. Success means accepted: Omi swallows extraction failures."""
        body = memories if isinstance(memories, dict) else memories_body(memories)
        self._transport.call("POST", f"{self._base}/user/memories", params={"uid": uid}, json=body)

    def conversations(
        self,
        uid: str,
        *,
        limit: int = 100,
        offset: int = 0,
        include_discarded: bool = False,
        statuses: Sequence[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        max_transcript_segments: int | None = None,
    ) -> list[Conversation]:
        """One page, newest first. `start` and `end` act on `created_at`, for imports equal to `started_at`.

        `max_transcript_segments` of each (100; −1 for all).
        """
        params: dict[str, Any] = {"uid": uid, "limit": limit, "offset": offset}
        if include_discarded:
            params["include_discarded"] = "true"
        if statuses:
            params["statuses"] = list(statuses)  # repeated: Omi does not split at commas
        if start:
            params["start_date"] = _moment(start)
        if end:
            params["end_date"] = _moment(end)
        if max_transcript_segments is not None:
            params["max_transcript_segments"] = max_transcript_segments
        answer = self._transport.call("GET", f"{self._base}/conversations", params=params)
        return _load_page(answer, "conversations", _CONVERSATION)

    def iter_conversations(self, uid: str, *, page: int = 100, **filters: Any) -> Iterator[Conversation]:
        """All pages, each conversation once, even when new ones push the pages along meanwhile."""
        return pages(lambda offset: self.conversations(uid, limit=page, offset=offset, **filters), page)

    def memories(self, uid: str, *, limit: int = 100, offset: int = 0) -> list[Memory]:
        """One page of memories."""
        params = {"uid": uid, "limit": limit, "offset": offset}
        answer = self._transport.call("GET", f"{self._base}/memories", params=params)
        return _load_page(answer, "memories", _MEMORY)

    def iter_memories(self, uid: str, *, page: int = 100) -> Iterator[Memory]:
        """All pages, each memory once."""
        return pages(lambda offset: self.memories(uid, limit=page, offset=offset), page)

    def search_conversations(
        self,
        uid: str,
        query: str,
        *,
        page: int = 1,
        per_page: int = 10,
        include_discarded: bool = False,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Found:
        """By meaning, through an index that is behind at times: not for finding one's own import."""
        body: dict[str, Any] = {"query": query, "page": page, "per_page": per_page}
        body |= {"include_discarded": True} if include_discarded else {}
        body |= {"start_date": _moment(start)} if start else {}
        body |= {"end_date": _moment(end)} if end else {}
        answer = self._transport.call("POST", f"{self._base}/search/conversations", params={"uid": uid}, json=body)
        found = _load_page(answer, "conversations", _CONVERSATION)
        pages_found = answer.get("total_pages")
        return Found(tuple(found), pages_found if isinstance(pages_found, int) else 0)

    def tasks(
        self,
        uid: str,
        *,
        limit: int = 100,
        offset: int = 0,
        completed: bool | None = None,
        conversation_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        due_start: datetime | None = None,
        due_end: datetime | None = None,
    ) -> list[Task]:
        """One page of the user's action items. `start` and `end` act on `created_at`, the other two on `due_at`."""
        params: dict[str, Any] = {"uid": uid, "limit": limit, "offset": offset}
        times = {"start_date": start, "end_date": end, "due_start_date": due_start, "due_end_date": due_end}
        params |= {name: _moment(value) for name, value in times.items() if value}
        params |= {} if completed is None else {"completed": str(completed).lower()}
        params |= {"conversation_id": conversation_id} if conversation_id else {}
        answer = self._transport.call("GET", f"{self._base}/tasks", params=params)
        return _load_page(answer, "tasks", _TASK)

    def iter_tasks(self, uid: str, *, page: int = 100, **filters: Any) -> Iterator[Task]:
        """All pages, each task once."""
        return pages(lambda offset: self.tasks(uid, limit=page, offset=offset, **filters), page)

    def notify(self, uid: str, message: str, *, in_url: bool = False) -> None:
        """Show a notification in the user's Omi app; nine an hour.

        `in_url` uses the older route: the words stand in the URL then, and so in logs on the way.
        """
        if in_url:
            self._transport.call("POST", f"{self._base}/notification", params={"uid": uid, "message": message})
        else:
            body = {"aid": self._app_id, "uid": uid, "message": message}
            self._transport.call("POST", "/v1/integrations/notification", json=body)

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the last answer to this thread said about limits; None where it said nothing (a 429 always does)."""
        return self._transport.rate_limit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _load_page(answer: Any, name: str, schema: Schema) -> list[Any]:
    try:
        loaded: list[Any] = schema.load(answer[name], many=True)
    except (KeyError, TypeError, ValidationError):
        raise UnexpectedAnswer(f"Omi's list of {name} is not of the documented form") from None
    return loaded
