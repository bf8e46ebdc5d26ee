"""The documented backoff around a client, for scripts: 1 s, doubling, with jitter; `Retry-After` wins.

https://docs.omi.me/doc/developer/apps/Import#error-handling
The service does not use it: it keeps its own books of what to send when. Only what is certainly not stored is sent
again; `OutcomeUnknown` is too, for calls that change nothing or are idempotent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from integration_app.omi.errors import OmiError, OutcomeUnknown, RateLimited, Unavailable, Unreachable

Client = TypeVar("Client")

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 900.0
_AGAIN = (RateLimited, Unavailable, Unreachable)
_READS = (
    "keys", "memories", "action_items", "conversations", "conversation", "folders", "goals", "goal_history", "tasks",
    "search_conversations", "ask",
)  # fmt: skip
_WRAPPED = (
    *_READS, "create_key", "revoke_key", "create_memory", "create_memories", "update_memory", "delete_memory",
    "create_action_item", "create_action_items", "update_action_item", "delete_action_item", "create_conversation",
    "create_from_segments", "update_conversation", "delete_conversation", "create_goal", "update_goal",
    "set_goal_progress", "delete_goal", "notify",
)  # fmt: skip


def retrying(
    client: Client,
    *,
    attempts: int = 8,
    patience: float = 3700.0,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
    on_wait: Callable[[float, OmiError], None] | None = None,
) -> Client:
    """`client` with every call tried up to `attempts` times, as long as one wait stays within `patience` seconds.

    `on_wait` is told how long and why. The iterators of the client retry page by page.
    """

    def again(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(call)
        def tried(*args: Any, **kwargs: Any) -> Any:
            for number in range(attempts):
                try:
                    return call(*args, **kwargs)
                except OmiError as error:
                    wait = _wait(error, number, chance())
                    if number + 1 == attempts or wait > patience or not _may_repeat(error, name, args):
                        raise
                    if on_wait:
                        on_wait(wait, error)
                    sleep(wait)
            raise AssertionError("unreachable")

        return tried

    wrapped = object.__new__(type(client))
    wrapped.__dict__.update(client.__dict__)
    for name in _WRAPPED:
        if hasattr(client, name):
            # bound to `wrapped`, so that what a call calls in turn (a page, a batch) is retried by itself
            method = getattr(type(client), name).__get__(wrapped)
            wrapped.__dict__[name] = again(method, name)
    return wrapped


def _wait(error: OmiError, number: int, chance: float) -> float:
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        return float(asked) + 0.25 * chance
    seconds: float = min(FIRST_SECONDS * 2.0**number, LONGEST_SECONDS)
    return seconds * (1 + 0.25 * chance)


def _may_repeat(error: OmiError, name: str, args: tuple[Any, ...]) -> bool:
    if isinstance(error, _AGAIN):
        return True
    if not isinstance(error, OutcomeUnknown):
        return False
    if name == "create_from_segments":
        body = args[0] if args else None
        return bool(
            body.get("client_session_id") if isinstance(body, dict) else getattr(body, "client_session_id", None)
        )
    return name in _READS or name.startswith(("update_", "delete_", "revoke_", "set_"))
