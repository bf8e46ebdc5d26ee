"""Faults on demand: what a slow, overloaded or crashing Omi does, so many times, on one route, for one uid or all.

rate_limited         429 before anything else is looked at; `retry_after` seconds, or no header when left out
rate_limited_object  429 with an object as detail and no Retry-After (the user's own model is limited)
error_before         500, nothing stored
error_plain          500 in text/plain, nothing stored
error_after          500, stored all the same
unavailable          503, nothing stored
timeout_after        504 with an empty body, stored all the same
drop_before          the connection is dropped, nothing stored
drop_after           the connection is dropped after storing
slow                 answers after `seconds`, stores then
slow_after           stores at once, answers after `seconds`
swallowed            200 {}, nothing stored
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Any

FAULTS = [
    "rate_limited",
    "rate_limited_object",
    "error_before",
    "error_plain",
    "error_after",
    "unavailable",
    "timeout_after",
    "drop_before",
    "drop_after",
    "slow",
    "slow_after",
    "swallowed",
]

ROUTES = (
    "*", "create_conversation", "create_memories", "read_conversations", "read_memories", "search_conversations",
    "read_tasks", "notification", "notification_by_body", "dev_read_memories", "dev_create_memory",
    "dev_create_memories", "dev_update_memory", "dev_delete_memory", "dev_read_action_items", "dev_create_action_item",
    "dev_create_action_items", "dev_update_action_item", "dev_delete_action_item", "dev_read_conversations",
    "dev_read_conversation", "dev_create_conversation", "dev_create_from_segments", "dev_update_conversation",
    "dev_delete_conversation", "dev_read_folders", "dev_read_goals", "dev_create_goal", "dev_update_goal",
    "dev_delete_goal", "dev_goal_progress", "dev_goal_history", "dev_ask",
)  # fmt: skip
ALIASES = {"429": "rate_limited", "500": "error_before", "503": "unavailable", "504": "timeout_after"}


@dataclass
class Fault:
    """`left` counts down; None means until it is removed, or `until` (Unix seconds) has passed. `probability` of
    hitting a matching call.
    """

    id: int
    fault: str
    route: str = "*"
    uid: str | None = None
    left: int | None = 1
    probability: float = 1.0
    retry_after: float | None = None
    seconds: float = 1.0
    until: float | None = None

    def view(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "fault": self.fault,
            "route": self.route,
            "uid": self.uid,
            "times": self.left,
            "probability": self.probability,
            "retry_after": self.retry_after,
            "seconds": self.seconds,
            "until": self.until,
        }


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, asked: dict[str, Any]) -> Fault:
        """From the control API's JSON. Raises ValueError with a sentence for the caller."""
        name = str(asked.get("fault", ""))
        name = ALIASES.get(name, name)
        if name not in FAULTS:
            raise ValueError(f"fault must be one of {', '.join([*FAULTS, *ALIASES])}")
        if str(asked.get("route") or "*") not in ROUTES:
            raise ValueError(f"route must be one of {', '.join(ROUTES)}")
        try:
            times = asked.get("times", 1)
            fault = Fault(
                id=self._next,
                fault=name,
                route=str(asked.get("route") or "*"),
                uid=str(asked["uid"]) if asked.get("uid") else None,
                left=None if times is None else int(times),
                probability=float(asked.get("probability", 1.0)),
                until=None if asked.get("until") is None else float(asked["until"]),
                retry_after=None if asked.get("retry_after") is None else float(asked["retry_after"]),
                seconds=float(asked.get("seconds", 1.0)),
            )
        except (TypeError, ValueError):
            raise ValueError("times, probability, retry_after and seconds are numbers") from None
        if fault.left is not None and fault.left < 1:
            raise ValueError("times is at least 1, or null for no end")
        with self._lock:
            self._next += 1
            self._faults.append(fault)
        return fault

    def take(self, route: str, uid: str | None, now: float) -> Fault | None:
        """The first fault that fits this call, counted down. Those whose time is over are forgotten."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.until is None or now < fault.until]
            for fault in self._faults:
                if fault.route not in ("*", route) or (fault.uid and fault.uid != uid):
                    continue
                if fault.probability < 1.0 and random.random() >= fault.probability:  # noqa: S311 - chaos
                    continue
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def remove(self, number: int) -> bool:
        with self._lock:
            before = len(self._faults)
            self._faults = [fault for fault in self._faults if fault.id != number]
            return len(self._faults) < before

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def view(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.view() for fault in self._faults]
