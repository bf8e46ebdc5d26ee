"""Addresses: e-mail in the one form in which it is compared, and those that a user can link."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import idna

ADDRESS_MAX = 140
"""Characters of an address that can be linked."""
_ACCOUNT = re.compile(r"[!-~]{1,100}")
_LINKABLE = re.compile(r"\+\d{7,15}|[a-z][a-z0-9-]{1,30}:[!-~]{1,100}")


def normal(address: str) -> str:
    """Lower case, and the domain as it is written on the wire."""
    local, at, domain = address.strip().lower().rpartition("@")
    return f"{local}{at}{ascii_domain(domain) or domain}"


def ascii_domain(domain: str) -> str | None:
    """`bücher.example` as `xn--bcher-kva.example`; None where no domain can be so written."""
    name = domain.strip().strip(".").lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return None


def listings(sender: str) -> tuple[str, str]:
    """What a list of senders holds when it lets this one in: the address itself, or its @domain."""
    address = normal(sender)
    return address, f"@{address.rpartition('@')[2]}"


def is_listed(sender: str, entries: Iterable[str]) -> bool:
    """Whether a list of addresses and @domains holds this sender."""
    known = {normal(entry) for entry in entries}
    return any(entry in known for entry in listings(sender))


def is_linkable(sender: str) -> bool:
    """Whether it can be linked: a phone (E.164), or an account of a messenger, as `telegram:1555`."""
    return bool(_LINKABLE.fullmatch(sender))


def account(kind: str, identifier: str) -> str:
    """How an account of a messenger is written: exactly as it is called there, or as a digest where that cannot stand
    in one line, so that no two become one.
    """
    if _ACCOUNT.fullmatch(identifier):
        return f"{kind}:{identifier}"
    return f"{kind}:sha256-{hashlib.sha256(identifier.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def shown(sender: str, messengers: Mapping[str, str]) -> str:
    """A linked address as people read it: an account says of which messenger, by the name of its kind."""
    kind, colon, rest = sender.partition(":")
    if not colon or not is_linkable(sender):
        return sender
    return f"{messengers.get(kind) or kind.removeprefix('custom-').capitalize()} {rest}"
