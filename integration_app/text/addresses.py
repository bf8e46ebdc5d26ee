"""E-mail addresses in the one form in which they are compared."""

from __future__ import annotations

from collections.abc import Iterable

import idna


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
