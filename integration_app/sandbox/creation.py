"""What happens when a conversation is created, in the order of the Developer page: discard decision, structure, action
items (not the same one twice within two days), memories, then every enabled app's webhook, and only then the answer.
"""

from __future__ import annotations

from typing import Any

from integration_app.sandbox import extraction, webhooks
from integration_app.sandbox.state import State

_SCORES = {"interesting": 998, "manual": 998, "system": 999}
"""Omi lists memories by these first: by hand before all others, then the categories."""


def create(state: State, uid: str, conversation: dict[str, Any], text: str, *, keep: bool = True) -> dict[str, Any]:
    """Store a conversation with all that is made of it. `keep` False: it is discarded, and nothing is made."""
    now, mines = state.now(), conversation.pop("mines", True)
    understood = extraction.understand(text, conversation["started_at"])
    stored = state.add_conversation(
        uid, {"discarded": not keep, "status": "completed", **conversation, "structured": understood.structured}
    )
    if keep:
        with state.lock:
            known = list(state.user(uid).action_items.values())
        for item in understood.action_items:
            if not extraction.is_repeated(item["description"], now, known):
                state.add_action_item(uid, action_item(now, **item, conversation_id=stored["id"]))
        for content in understood.memories if mines else ():
            state.add_memory(uid, memory(now, content, category="interesting", conversation_id=stored["id"]))
        webhooks.memory_created(state, uid, stored)
    return stored


def action_item(now: Any, description: str, due_at: Any = None, **more: Any) -> dict[str, Any]:
    completed = bool(more.pop("completed", False))
    return {
        "description": description,
        "completed": completed,
        "created_at": now,
        "updated_at": now,
        "due_at": due_at,
        "completed_at": now if completed else None,
        "conversation_id": None,
    } | more


def memory(now: Any, content: str, *, category: str, **more: Any) -> dict[str, Any]:
    by_hand = bool(more.get("manually_added"))
    return {
        "content": content,
        "category": category,
        "visibility": "private",
        "tags": [],
        "created_at": now,
        "updated_at": now,
        "conversation_id": None,
        "app_id": None,
        "reviewed": True,
        "user_review": True if by_hand else None,
        "manually_added": False,
        "edited": False,
        "scoring": f"{by_hand:02d}_{_SCORES.get(category, 0):02d}_{int(now.timestamp()):010d}",
        "is_locked": False,
        "data_protection_level": "standard",
        "kg_extracted": False,
    } | more
