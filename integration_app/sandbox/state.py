"""Everything the sandbox remembers, behind one lock; in memory, or in a file where one is named."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CAPABILITIES = ("create_conversation", "create_facts", "read_conversations", "read_memories", "read_tasks")
SCOPES = tuple(
    f"{what}:{how}" for what in ("conversations", "memories", "action_items", "goals") for how in ("read", "write")
)
READ_ONLY = tuple(scope for scope in SCOPES if scope.endswith(":read"))
CALLS_KEPT = 20_000


NEWEST, OLD = "newest", "2026-05"
"""Omi's behaviour at two times, where it differs."""


@dataclass
class User:
    uid: str
    enabled: bool = False
    apps: list[str] = field(default_factory=list)
    """Further apps that this user enabled; `enabled` is about the one that the sandbox was started for."""
    conversations: list[dict[str, Any]] = field(default_factory=list)
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    action_items: dict[str, dict[str, Any]] = field(default_factory=dict)
    goals: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    """`client_session_id` → conversation id."""
    notifications: list[dict[str, Any]] = field(default_factory=list)
    tool_answers: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class App:
    id: str
    key_digests: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=lambda: set(CAPABILITIES))
    name: str = ""
    webhook_url: str | None = None
    webhook_secret: str | None = None
    setup_completed_url: str | None = None
    auth_url: str | None = None
    home_url: str | None = None
    tools_url: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DeveloperKey:
    """A key of one user's for the Developer API. `scopes` None: read-only, as keys of old are."""

    id: str
    uid: str
    name: str
    key_prefix: str
    digest: str
    created_at: datetime
    scopes: list[str] | None = None
    last_used_at: datetime | None = None


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

    def __init__(
        self, app_id: str, api_key: str, clock: Callable[[], float] = time.time, file: Path | None = None
    ) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self.offset = 0.0
        self.latency = 0.0
        self._app_id, self._api_key = app_id, api_key
        self._file = file
        self.resets = 0
        self.omi = NEWEST
        self.reset()
        if file is not None and file.exists():
            self._load(json.loads(file.read_text(encoding="utf-8")))

    def reset(self) -> None:
        with self.lock:
            self.resets += 1  # a call that was held back until after a reset belongs to what was forgotten
            self.apps = {self._app_id: App(self._app_id, {digest(self._api_key)}, name=self._app_id)}
            self.users: dict[str, User] = {}
            self.keys: dict[str, DeveloperKey] = {}
            self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
            self.offset = self.latency = 0.0

    def clock(self) -> float:
        """Unix seconds, moved on by the control API."""
        return self._clock() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    # --- users --------------------------------------------------------------------------------------------

    def user(self, uid: str) -> User:
        """The user, made if new (only the control API makes users)."""
        with self.lock:
            return self.users.setdefault(uid, User(uid))

    def is_enabled(self, uid: str, app_id: str | None = None) -> bool:
        with self.lock:
            user = self.users.get(uid)
            if user is None:
                return False
            return user.enabled if app_id in (None, self._app_id) else app_id in user.apps

    def enable(self, uid: str, app_id: str | None, enabled: bool) -> None:
        with self.lock:
            user = self.user(uid)
            if app_id in (None, self._app_id):
                user.enabled = enabled
            elif app_id:
                user.apps = [known for known in user.apps if known != app_id] + ([app_id] if enabled else [])

    def enabled_apps(self, uid: str) -> list[App]:
        with self.lock:
            return [app for app in self.apps.values() if self.is_enabled(uid, app.id)]

    # --- what a user has ----------------------------------------------------------------------------------

    def add_conversation(self, uid: str, conversation: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            stored = {"id": str(uuid.uuid4()), "starred": False, "folder_id": None, **conversation}
            self.user(uid).conversations.append(stored)
            return stored

    def add_memory(self, uid: str, memory: dict[str, Any]) -> dict[str, Any]:
        """The id is made of the content: the same content overwrites instead of doubling."""
        with self.lock:
            made = hashlib.sha256(memory["content"].encode("utf-8", "replace")).hexdigest()[:24]
            self.user(uid).memories[made] = {"id": made, "uid": uid, **memory}
            return self.user(uid).memories[made]

    def add_action_item(self, uid: str, item: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            made = f"action_{uuid.uuid4().hex[:16]}"
            self.user(uid).action_items[made] = {"id": made, **item}
            return self.user(uid).action_items[made]

    # --- Developer API keys -------------------------------------------------------------------------------

    def make_key(self, uid: str, name: str, scopes: list[str] | None) -> tuple[DeveloperKey, str]:
        """A new key and its secret, which is not kept."""
        secret = f"omi_dev_{secrets.token_hex(16)}"
        with self.lock:
            self.user(uid)
            made = DeveloperKey(
                id=f"key_{secrets.token_hex(6)}",
                uid=uid,
                name=name,
                key_prefix=secret[:14],
                digest=digest(secret),
                created_at=self.now(),
                scopes=scopes,
            )
            self.keys[made.id] = made
        return made, secret

    def key_of(self, secret: str) -> DeveloperKey | None:
        with self.lock:
            found = next((key for key in self.keys.values() if key.digest == digest(secret)), None)
            if found:
                found.last_used_at = self.now()
            return found

    # --- the file -----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything but the calls, if there is a file; the old one stays until the new one is whole."""
        if self._file is None:
            return
        with self.lock:
            data = {
                "users": {uid: asdict(user) for uid, user in self.users.items()},
                "keys": {key_id: asdict(key) for key_id, key in self.keys.items()},
                "apps": {
                    app_id: asdict(app) | {"key_digests": sorted(app.key_digests), "actions": sorted(app.actions)}
                    for app_id, app in self.apps.items()
                },
            }
            new = self._file.with_suffix(f"{self._file.suffix}.new")
            new.write_text(json.dumps(data, default=_tagged, ensure_ascii=False), encoding="utf-8")
            new.replace(self._file)

    def _load(self, data: dict[str, Any]) -> None:
        values = _untagged(data)
        self.users = {uid: User(**_known(User, row)) for uid, row in values["users"].items()}
        self.keys = {key_id: DeveloperKey(**_known(DeveloperKey, row)) for key_id, row in values["keys"].items()}
        for app_id, row in values["apps"].items():
            row |= {"key_digests": set(row["key_digests"]), "actions": set(row["actions"])}
            kept = App(**_known(App, row))
            if app_id == self._app_id:
                kept.key_digests |= self.apps[app_id].key_digests
            self.apps[app_id] = kept


def digest(key: str) -> str:
    """Keys are kept as digests, without their `sk_`."""
    return hashlib.sha256(key.removeprefix("sk_").encode("utf-8", "replace")).hexdigest()


def _known(kind: Any, row: dict[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in row.items() if name in names}


def _tagged(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    raise TypeError(type(value).__name__)


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$time"}:
            return datetime.fromisoformat(value["$time"])
        return {name: _untagged(item) for name, item in value.items()}
    return [_untagged(item) for item in value] if isinstance(value, list) else value
