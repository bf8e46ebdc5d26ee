"""What a uid is called at rest: in keys, in lists, in events. Without DATA_KEYS it is the uid itself.

The name is the uid under AES-SIV (RFC 5297): the same each time, and opened again without a table. Its key is made
with the store, and kept in it under the newest of DATA_KEYS: rotating those leaves the names as they are. A store that
was begun without DATA_KEYS, or before 0.4, has none, and keeps its uids as they are.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from redis.exceptions import RedisError

from integration_app.store import vault

KIND = "names"
"""What kind of sealed value the key of the names is."""
KEY_BYTES = 64
_LOOK_SECONDS = 30.0
"""How long the key is not asked for again: a Redis that was emptied and begun anew has another."""
_CACHED = 100_000


class _Names:
    """Both directions under one key. `sealed` is that key as it stands in the store; "" for none."""

    def __init__(self, sealed: str) -> None:
        siv = AESSIV(bytes.fromhex(vault.current().open(KIND, sealed))) if sealed else None
        self.sealed = sealed
        self.name = lru_cache(_CACHED)(lambda uid: _name(siv, uid))
        self.uid = lru_cache(_CACHED)(lambda name: _uid(siv, name))


class Accounts:
    """`key_of`: asks the store for its key, as `Identity.names_key`; None: every uid is called what it is."""

    def __init__(self, key_of: Callable[[str], tuple[bool, str]] | None = None) -> None:
        self._key_of = key_of
        self._names = _Names("")
        self._fresh_until = 0.0
        self._is_settled = False

    def name(self, uid: str) -> str:
        """Raises `KeyMissing` where DATA_KEYS lacks the key of the names."""
        return self._now().name(uid)

    def uid(self, name: str) -> str:
        """Whose name it is; itself where it is none."""
        return self._now().uid(name)

    def look_again(self) -> None:
        """Ask the store once more: it may have been begun anew."""
        self._fresh_until = 0.0

    def _now(self) -> _Names:
        """Learn the key of the names, or make it for a store that has nothing in it yet."""
        now = time.monotonic()
        if self._key_of is None or now < self._fresh_until:
            return self._names
        mine = vault.current()
        fresh = mine.seal(KIND, secrets.token_hex(KEY_BYTES)) if mine.is_on else ""
        try:
            is_settled, sealed = self._key_of(fresh)
        except (RedisError, OSError):
            if not self._is_settled:
                raise
            return self._names  # it was asked before; users of other shards are not held up by one that is away
        if sealed != self._names.sealed:
            self._names = _Names(sealed)  # first of all: a caller meanwhile has the old or the new, never none
        self._is_settled = self._is_settled or is_settled
        if is_settled:
            self._fresh_until = now + _LOOK_SECONDS
        return self._names


def _name(siv: AESSIV | None, uid: str) -> str:
    if siv is None or not uid:
        return uid
    return base64.urlsafe_b64encode(siv.encrypt(uid.encode("utf-8", "surrogatepass"), None)).decode().rstrip("=")


def _uid(siv: AESSIV | None, name: str) -> str:
    if siv is None or not name:
        return name
    try:
        sealed = base64.b64decode(name + "=" * (-len(name) % 4), b"-_", validate=True)
        return siv.decrypt(sealed, None).decode("utf-8", "surrogatepass")
    except (InvalidTag, binascii.Error, ValueError):
        return name


_current = Accounts()


def use(accounts: Accounts) -> None:
    """As `vault.use`: what is at rest belongs to a deployment."""
    global _current
    _current = accounts


def name_of(uid: str) -> str:
    """What a uid is called in Redis. Raises `KeyMissing` where DATA_KEYS lacks the key of the names."""
    return _current.name(uid)


def look_again() -> None:
    """Before the first thing is written for a uid, and when nothing is found for one."""
    _current.look_again()


def uid_of(name: str) -> str:
    """Whose name it is; itself where it is none."""
    return _current.uid(name)
