"""A password against its hash, beside the requests: hashing takes long on purpose, and others must not wait for it."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Sequence

import gevent
from gevent import monkey
from werkzeug.security import check_password_hash

_AT_A_TIME = 2
_turns = threading.BoundedSemaphore(_AT_A_TIME)
"""Each takes memory and a processor; more are turned away."""


class Busy(Exception):  # noqa: N818 - named for its meaning
    """So many passwords are being checked already."""


def is_right(stored: str, given: str) -> bool:
    """Raises `Busy`. Where greenlets serve, a thread hashes: they would all stand still."""
    if not _turns.acquire(blocking=False):
        raise Busy
    try:
        if monkey.is_module_patched("socket"):
            return bool(gevent.get_hub().threadpool.apply(check_password_hash, (stored, given)))
        return check_password_hash(stored, given)
    finally:
        _turns.release()


def is_token(given: str, tokens: Sequence[str]) -> bool:
    """Whether it is one of these; every one is compared."""
    matches = [hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()) for token in tokens]
    return any(matches)
