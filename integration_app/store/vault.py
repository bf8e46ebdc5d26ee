"""People's words and addresses at rest: sealed under DATA_KEYS, so that a copy of Redis says nothing.

A sealed value is FF 02, four bytes that say which key, a nonce, and the text, compressed, under AES-256-GCM, bound to
what kind of value it is. Those are bytes: the clients of Redis take them for text with surrogate escapes (PEP 383).
Values that are listed, or were written earlier, are `e1.<key>.<base64>`, not compressed; what was written before there
was a key is read as it stands. Phones, and addresses that are looked up, are keyed digests; a phone in a list is sealed
so that the same number gives the same text (AES-SIV, RFC 5297).
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from integration_app.errors import StoreUnfit
from integration_app.store.compression import compress, decompress

_MARK, _TEXT_MARK = "\udcff\x02", "e1."
"""No text begins with the first: it stands for the byte FF, which UTF-8 does not have."""
_BYTES = ("utf-8", "surrogateescape")
_ID = 4
_LISTED = ("address",)
"""Kinds that stand in lists with blanks between, so they are sealed as text."""
PLAIN = "plain"
"""In the place of a key: write as it is. For the time in which not every process knows the key yet."""
_NONCE, _TAG = 12, 16


class KeyMissing(StoreUnfit):
    """Sealed under a key that DATA_KEYS does not list (any more), or spoilt."""


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    gcm: AESGCM
    siv: AESSIV
    index: bytes


class Vault:
    """`keys`: the first seals, all of them open. Without one, or with `plain` first, everything is kept as it is."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._is_on = bool(keys) and keys[0] != PLAIN
        self._keys = tuple(_derived(key) for key in keys if key != PLAIN)
        self._by_id = {key.id: key for key in self._keys}

    @property
    def is_on(self) -> bool:
        return self._is_on

    def seal(self, kind: str, text: str) -> str:
        if not self._is_on:
            return text
        key, nonce = self._keys[0], secrets.token_bytes(_NONCE)
        said = text.encode("utf-8", "surrogatepass")
        if kind in _LISTED:
            return _in_text(key, nonce + key.gcm.encrypt(nonce, said, kind.encode()))
        sealed = key.gcm.encrypt(nonce, compress(kind, said), kind.encode())
        return _MARK + (bytes.fromhex(key.id) + nonce + sealed).decode(*_BYTES)

    def open(self, kind: str, raw: str) -> str:
        """Raises `KeyMissing`."""
        if raw.startswith(_MARK):
            sealed = raw[len(_MARK) :].encode(*_BYTES)
            if len(sealed) < _ID + _NONCE + _TAG:
                raise ValueError(f"a sealed {kind} is spoilt")
            key, sealed, is_small = self._key(sealed[:_ID].hex()), sealed[_ID:], True
        elif raw.startswith(_TEXT_MARK):
            key, sealed = self._parts(raw)
            is_small = False
        else:
            return raw
        try:
            opened = key.gcm.decrypt(sealed[:_NONCE], sealed[_NONCE:], kind.encode())
            return (decompress(kind, opened) if is_small else opened).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise ValueError(f"a sealed {kind} is spoilt") from None

    def member(self, text: str) -> str:
        """Sealed, and the same each time: fit for a set."""
        if not self._is_on:
            return text
        return self.members(text)[0]

    def members(self, text: str) -> list[str]:
        """Every form in which it may stand in a set."""
        return [*(_in_text(key, key.siv.encrypt(text.encode(), None)) for key in self._keys), text]

    def open_member(self, raw: str) -> str:
        """Raises `KeyMissing`."""
        if not raw.startswith(_TEXT_MARK):
            return raw
        key, sealed = self._parts(raw)
        try:
            return key.siv.decrypt(sealed, None).decode()
        except (InvalidTag, ValueError):
            raise ValueError("a sealed member is spoilt") from None

    def names(self, kind: str, value: str) -> list[str]:
        """What a value is called in a key, or in a list that is searched: newest first, as it stands last."""
        return [*(self._digest(key, kind, value) for key in self._keys), value]

    def name(self, kind: str, value: str) -> str:
        """The one under which it is written."""
        return self._digest(self._keys[0], kind, value) if self._is_on else value

    def is_current(self, raw: str) -> bool:
        """Whether it is sealed under the newest key, or open where there is none."""
        if not self._is_on:
            return not raw.startswith((_MARK, _TEXT_MARK))
        newest = self._keys[0].id
        if raw.startswith(_MARK):
            return raw[: len(_MARK) + _ID].encode(*_BYTES)[len(_MARK) :][:_ID].hex() == newest
        return raw.startswith(f"{_TEXT_MARK}{newest}.")

    def _digest(self, key: _Key, kind: str, value: str) -> str:
        said = f"{kind}\x1f{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(key.index, said, "sha256").hex()[:32]

    def _key(self, name: str) -> _Key:
        if name not in self._by_id:
            raise KeyMissing(f"DATA_KEYS lacks the key {name}, under which data of this Redis is sealed")
        return self._by_id[name]

    def _parts(self, raw: str) -> tuple[_Key, bytes]:
        name, _, data = raw.removeprefix(_TEXT_MARK).partition(".")
        if len(name) != 2 * _ID or not set(name) <= set("0123456789abcdef"):
            raise ValueError("a sealed value is spoilt")
        key = self._key(name)
        try:
            return key, base64.b64decode(data, validate=True)
        except ValueError:
            raise ValueError("a sealed value is spoilt") from None


def as_bytes(value: str) -> str | bytes:
    """A sealed value as it lies in Redis; anything else as it is."""
    return value.encode(*_BYTES) if value[:2] == _MARK else value


def _in_text(key: _Key, sealed: bytes) -> str:
    return f"{_TEXT_MARK}{key.id}.{base64.b64encode(sealed).decode()}"


def _derived(secret: str) -> _Key:
    def part(label: bytes, size: int) -> bytes:
        return hmac.digest(secret.encode(), b"omi-inbox " + label, "sha512")[:size]

    return _Key(part(b"id", 4).hex(), AESGCM(part(b"gcm", 32)), AESSIV(part(b"siv", 64)), part(b"index", 32))


_current = Vault()


def use(vault: Vault) -> None:
    """Seal and open with it in this process: what is at rest belongs to a deployment, not to a caller."""
    global _current
    _current = vault


def current() -> Vault:
    return _current
