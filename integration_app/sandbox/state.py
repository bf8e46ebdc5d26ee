"""Everything the sandbox remembers, in memory, behind one lock."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

CAPABILITIES = ("create_conversation", "create_facts", "read_conversations", "read_memories", "read_tasks")
CALLS_KEPT = 20_000


@dataclass
class User:
    uid: str
    enabled: bool = False
    conversations: list[dict[str, Any]] = field(default_factory=list)
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    notifications: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class App:
    id: str
    key_digests: set[str]
    actions: set[str] = field(default_factory=lambda: set(CAPABILITIES))


@dataclass
class Call:
    """One request as the sandbox saw it. Never its text."""

    at: float
    method: str
    route: str
    uid: str | None
    status: int | None
    seconds: float = 0.0
    fault: str | None = None
    error: str | None = None


class State:
    """`lock` guards all of it; handlers hold it only while they look or change, never while they wait."""

    def __init__(self, app_id: str, api_key: str, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self.offset = 0.0
        self.latency = 0.0
        self._app_id, self._api_key = app_id, api_key
        self.reset()

    def reset(self) -> None:
        with self.lock:
            self.apps = {self._app_id: App(self._app_id, {digest(self._api_key)})}
            self.users: dict[str, User] = {}
            self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
            self.offset = self.latency = 0.0

    def clock(self) -> float:
        """Unix seconds, moved on by whoever asked for it."""
        return self._clock() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def user(self, uid: str) -> User:
        """The user, made if new (only the control API makes users)."""
        with self.lock:
            return self.users.setdefault(uid, User(uid))

    def is_enabled(self, uid: str) -> bool:
        with self.lock:
            return uid in self.users and self.users[uid].enabled

    def add_conversation(self, uid: str, conversation: dict[str, Any]) -> None:
        with self.lock:
            self.user(uid).conversations.append({"id": str(uuid.uuid4()), **conversation})

    def add_memory(self, uid: str, memory: dict[str, Any]) -> None:
        """The id is made of the content: the same content overwrites instead of doubling."""
        with self.lock:
            made = hashlib.sha256(memory["content"].encode("utf-8", "replace")).hexdigest()[:24]
            self.user(uid).memories[made] = {"id": made, "uid": uid, **memory}


def digest(key: str) -> str:
    """Keys are kept as digests, without their `sk_`."""
    return hashlib.sha256(key.removeprefix("sk_").encode("utf-8", "replace")).hexdigest()
