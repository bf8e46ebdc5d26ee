"""Omi's Developer API, v1/dev: act for the one person whose key it is.

https://docs.omi.me/doc/developer/api
One attempt per call; raises by meaning (`integration_app.omi.errors`); never sleeps. `retrying` wraps it for scripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote

from marshmallow import Schema, ValidationError

from integration_app.omi import developer_schemas as schemas
from integration_app.omi.developer_types import (
    ACTION_ITEMS_BATCH,
    CATEGORIES,
    CONTENT_MAX,
    MEMORIES_BATCH,
    ActionItem,
    Answer,
    Created,
    DeveloperConversation,
    DeveloperMemory,
    Folder,
    Goal,
    Key,
    NewActionItem,
    NewDeveloperMemory,
    NewSegmentsConversation,
    NewTextConversation,
    Progress,
    aware,
    within,
)
from integration_app.omi.errors import RateLimit, UnexpectedAnswer
from integration_app.omi.paging import pages
from integration_app.omi.wire.transport import Transport

Made = TypeVar("Made")

_USER = "/v1/dev/user"
_KEYS = "/v1/dev/keys"


class DeveloperClient:
    """One person's view of Omi. `key` begins with `omi_dev_`; the three key calls need a signed-in session's token."""

    def __init__(
        self,
        key: str,
        *,
        base_url: str = "https://api.omi.me",
        connect_timeout: float = 5.0,
        read_timeout: float = 130.0,
        connections: int = 16,
    ) -> None:
        self._transport = Transport(
            base_url, key, connect_timeout=connect_timeout, read_timeout=read_timeout, connections=connections
        )

    def __repr__(self) -> str:
        return f"DeveloperClient({self._transport.base_url!r})"

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the last answer said about limits; None where it said nothing."""
        return self._transport.rate_limit

    # --- keys ---------------------------------------------------------------------------------------------

    def keys(self) -> list[Key]:
        """Every key of the signed-in user, without secrets."""
        return _many(schemas.KeySchema(), self._get(_KEYS))

    def create_key(self, name: str, scopes: Sequence[str] | None = None) -> Key:
        """A new key; its `secret` is shown this once. Without scopes it may only read."""
        within("name", name, 1, CONTENT_MAX)
        body: dict[str, Any] = {"name": name} | ({"scopes": list(scopes)} if scopes is not None else {})
        return _one(Key, schemas.KeySchema(), self._post(_KEYS, body))

    def revoke_key(self, key_id: str) -> None:
        """For good."""
        self._transport.call("DELETE", f"{_KEYS}/{_id(key_id)}")

    # --- memories -----------------------------------------------------------------------------------------

    def memories(self, *, limit: int = 25, offset: int = 0, categories: Sequence[str] = ()) -> list[DeveloperMemory]:
        """One page, newest first; up to 1000. Raises ValueError for a category that Omi does not know."""
        if unknown := set(categories) - set(CATEGORIES):
            raise ValueError(f"categories must be of {', '.join(CATEGORIES)}, not {', '.join(sorted(unknown))}")
        params = {"limit": limit, "offset": offset} | _joined("categories", categories)
        return _many(schemas.MemorySchema(), self._get(f"{_USER}/memories", params))

    def iter_memories(self, *, page: int = 100, **filters: Any) -> Iterator[DeveloperMemory]:
        """All pages, each memory once."""
        return pages(lambda offset: self.memories(limit=page, offset=offset, **filters), page)

    def create_memory(self, memory: NewDeveloperMemory) -> DeveloperMemory:
        body = schemas.NewMemorySchema().dump(memory)
        return _one(DeveloperMemory, schemas.MemorySchema(), self._post(f"{_USER}/memories", body))

    def create_memories(self, memories: Sequence[NewDeveloperMemory]) -> list[DeveloperMemory]:
        """Any number, in batches of 25, answered in the order given."""
        made: list[DeveloperMemory] = []
        for start in range(0, len(memories), MEMORIES_BATCH):
            rows = schemas.NewMemorySchema().dump(memories[start : start + MEMORIES_BATCH], many=True)
            answer = self._post(f"{_USER}/memories/batch", {"memories": rows})
            made += _many(schemas.MemorySchema(), _part(answer, "memories"))
        return made

    def update_memory(
        self,
        memory_id: str,
        *,
        content: str | None = None,
        category: str | None = None,
        visibility: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> DeveloperMemory:
        """Change what is given."""
        if content is not None:
            within("content", content, 1, CONTENT_MAX)
        changes = {"content": content, "category": category, "visibility": visibility}
        body = _given(changes) | ({"tags": list(tags)} if tags is not None else {})
        return _one(DeveloperMemory, schemas.MemorySchema(), self._patch(f"{_USER}/memories/{_id(memory_id)}", body))

    def delete_memory(self, memory_id: str) -> None:
        self._transport.call("DELETE", f"{_USER}/memories/{_id(memory_id)}")

    # --- action items -------------------------------------------------------------------------------------

    def action_items(
        self,
        *,
        limit: int = 100,
        offset: int = 0,
        completed: bool | None = None,
        conversation_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[ActionItem]:
        """One page, newest first. `start` and `end` act on `created_at`, inclusive; Omi cannot filter by due date."""
        times = {"start_date": start, "end_date": end}
        params = (
            {"limit": limit, "offset": offset}
            | _given({"completed": _word(completed), "conversation_id": conversation_id})
            | _given({name: _moment(value) for name, value in times.items()})
        )
        return _many(schemas.ActionItemSchema(), self._get(f"{_USER}/action-items", params))

    def iter_action_items(self, *, page: int = 100, **filters: Any) -> Iterator[ActionItem]:
        """All pages, each item once."""
        return pages(lambda offset: self.action_items(limit=page, offset=offset, **filters), page)

    def create_action_item(self, item: NewActionItem) -> ActionItem:
        """With `due_at` Omi reminds of it on the phone."""
        body = schemas.NewActionItemSchema().dump(item)
        return _one(ActionItem, schemas.ActionItemSchema(), self._post(f"{_USER}/action-items", body))

    def create_action_items(self, items: Sequence[NewActionItem]) -> list[ActionItem]:
        """Any number, in batches of 50, answered in the order given."""
        made: list[ActionItem] = []
        for start in range(0, len(items), ACTION_ITEMS_BATCH):
            rows = schemas.NewActionItemSchema().dump(items[start : start + ACTION_ITEMS_BATCH], many=True)
            answer = self._post(f"{_USER}/action-items/batch", {"action_items": rows})
            made += _many(schemas.ActionItemSchema(), _part(answer, "action_items"))
        return made

    def update_action_item(
        self,
        item_id: str,
        *,
        description: str | None = None,
        completed: bool | None = None,
        due_at: datetime | None = None,
    ) -> ActionItem:
        """Change what is given."""
        if description is not None:
            within("description", description, 1, CONTENT_MAX)
        aware("due_at", due_at)
        body = _given({"description": description, "completed": completed, "due_at": _moment(due_at)})
        return _one(ActionItem, schemas.ActionItemSchema(), self._patch(f"{_USER}/action-items/{_id(item_id)}", body))

    def delete_action_item(self, item_id: str) -> None:
        self._transport.call("DELETE", f"{_USER}/action-items/{_id(item_id)}")

    # --- conversations ------------------------------------------------------------------------------------

    def conversations(
        self,
        *,
        limit: int = 25,
        offset: int = 0,
        include_transcript: bool = False,
        start: datetime | None = None,
        end: datetime | None = None,
        categories: Sequence[str] = (),
        folder_id: str | None = None,
        starred: bool | None = None,
    ) -> list[DeveloperConversation]:
        """One page of completed ones that were kept, newest first. Omi gives at most 100, 25 with transcript."""
        params = (
            {"limit": limit, "offset": offset, "include_transcript": _word(include_transcript)}
            | _given({"start_date": _moment(start), "end_date": _moment(end)})
            | _given({"folder_id": folder_id, "starred": _word(starred)})
            | _joined("categories", categories)
        )
        return _many(schemas.ConversationSchema(), self._get(f"{_USER}/conversations", params))

    def iter_conversations(self, *, page: int = 25, **filters: Any) -> Iterator[DeveloperConversation]:
        """All pages, each conversation once."""
        return pages(lambda offset: self.conversations(limit=page, offset=offset, **filters), page)

    def conversation(self, conversation_id: str, *, include_transcript: bool = False) -> DeveloperConversation:
        """Raises `NotFound`, for a locked one too."""
        params = {"include_transcript": _word(include_transcript)}
        answer = self._get(f"{_USER}/conversations/{_id(conversation_id)}", params)
        return _one(DeveloperConversation, schemas.ConversationSchema(), answer)

    def create_conversation(self, conversation: NewTextConversation | dict[str, Any]) -> Created:
        """From text. Not idempotent; it is found again in the list by its exact `started_at`."""
        given = isinstance(conversation, dict)
        body = conversation if given else schemas.NewTextConversationSchema().dump(conversation)
        return _one(Created, schemas.CreatedSchema(), self._post(f"{_USER}/conversations", body))

    def create_from_segments(self, conversation: NewSegmentsConversation | dict[str, Any]) -> Created:
        """From a transcript. With `client_session_id` a retry returns the same id, or `Conflict` meanwhile."""
        body = conversation if isinstance(conversation, dict) else segments_body(conversation)
        return _one(Created, schemas.CreatedSchema(), self._post(f"{_USER}/conversations/from-segments", body))

    def update_conversation(
        self, conversation_id: str, *, title: str | None = None, discarded: bool | None = None
    ) -> DeveloperConversation:
        if title is not None:
            within("title", title, 1, CONTENT_MAX)
        body = _given({"title": title, "discarded": discarded})
        answer = self._patch(f"{_USER}/conversations/{_id(conversation_id)}", body)
        return _one(DeveloperConversation, schemas.ConversationSchema(), answer)

    def delete_conversation(self, conversation_id: str) -> None:
        self._transport.call("DELETE", f"{_USER}/conversations/{_id(conversation_id)}")

    # --- folders, goals, questions ------------------------------------------------------------------------

    def folders(self) -> list[Folder]:
        return _many(schemas.FolderSchema(), self._get(f"{_USER}/folders"))

    def goals(self) -> list[Goal]:
        return _many(schemas.GoalSchema(), self._get(f"{_USER}/goals"))

    def create_goal(self, title: str, *, target_value: float | None = None, current_value: float | None = None) -> Goal:
        """Omis of before summer 2026 want a target, too."""
        within("title", title, 1, CONTENT_MAX)
        body = {"title": title} | _given({"target_value": target_value, "current_value": current_value})
        return _one(Goal, schemas.GoalSchema(), self._post(f"{_USER}/goals", body))

    def update_goal(
        self,
        goal_id: str,
        *,
        title: str | None = None,
        target_value: float | None = None,
        is_active: bool | None = None,
    ) -> Goal:
        body = _given({"title": title, "target_value": target_value, "is_active": is_active})
        return _one(Goal, schemas.GoalSchema(), self._patch(f"{_USER}/goals/{_id(goal_id)}", body))

    def set_goal_progress(self, goal_id: str, value: float) -> Goal:
        """Omi takes the value from the query; it refuses a body."""
        path = f"{_USER}/goals/{_id(goal_id)}/progress"
        answer = self._transport.call("PATCH", path, params={"current_value": value})
        return _one(Goal, schemas.GoalSchema(), answer)

    def goal_history(self, goal_id: str) -> list[Progress]:
        return _many(schemas.ProgressSchema(), self._get(f"{_USER}/goals/{_id(goal_id)}/history"))

    def delete_goal(self, goal_id: str) -> None:
        self._transport.call("DELETE", f"{_USER}/goals/{_id(goal_id)}")

    def ask(self, question: str, *, limit: int = 5) -> Answer:
        """A question about one's conversations; `limit` of them (1 to 10) are looked at.

        Not every Omi has it: others raise `AppMisconfigured`.
        """
        if not 1 <= limit <= 10:
            raise ValueError("limit must be 1 to 10")
        return _one(Answer, schemas.AnswerSchema(), self._post(f"{_USER}/ask", {"question": question, "limit": limit}))

    # --- plumbing -----------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._transport.call("GET", path, params=params)

    def _post(self, path: str, body: Any) -> Any:
        return self._transport.call("POST", path, json=body)

    def _patch(self, path: str, body: dict[str, Any]) -> Any:
        if not body:
            raise ValueError("nothing to change: give at least one field")  # Omi counts the call, and refuses it
        return self._transport.call("PATCH", path, json=body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()


def segments_body(conversation: NewSegmentsConversation) -> dict[str, Any]:
    """The exact JSON body that `create_from_segments` sends; what a caller writes down before the call."""
    body: dict[str, Any] = schemas.NewSegmentsConversationSchema().dump(conversation)
    return body


def _id(value: str) -> str:
    return quote(value, safe="")


def _moment(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def _word(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _joined(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {name: ",".join(values)} if values else {}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _part(answer: Any, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else None


def _many(schema: Schema, answer: Any) -> list[Any]:
    try:
        loaded: list[Any] = schema.load(answer, many=True)
    except (TypeError, ValidationError, ValueError):
        raise UnexpectedAnswer("Omi's list is not of the documented form") from None
    return loaded


def _one(made: type[Made], schema: Schema, answer: Any) -> Made:
    try:
        loaded: Made = schema.load(answer)
    except (TypeError, ValidationError, ValueError):
        raise UnexpectedAnswer(f"Omi's answer is not the documented form of a {made.__name__}") from None
    return loaded
