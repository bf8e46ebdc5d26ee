"""Whose request it is, for throttling: addresses in one form, and the networks that one caller may have. Pure."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\](?::\d*)?|(\d+(?:\.\d+){3}):\d*)")


def read(given: str) -> Address | None:
    """As proxies write it: with a port, in brackets, with a zone, IPv4 inside IPv6; None for anything else."""
    text = given.strip().strip('"')
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or _nat64(address) or address
    return address


def share(given: str) -> str:
    """The address; of IPv6 its /64, for one caller has all of it. What is none is one caller, whatever it says."""
    return _network(given, 32, 64)


def network(given: str) -> str:
    """The wider network that one caller may have: a /24, or a /48."""
    return _network(given, 24, 48)


def is_public(given: str) -> bool:
    """Whether this is an address of the internet, which no proxy in front of us has."""
    address = read(given)
    return address is not None and address.is_global


def is_near(given: str) -> bool:
    """Whether this is an address of this host, or of a private network."""
    address = read(given)
    return address is not None and (address.is_loopback or address.is_private)


def _network(given: str, four: int, six: int) -> str:
    address = read(given)
    if address is None:
        return "?"
    return str(ipaddress.ip_network((address, four if address.version == 4 else six), strict=False))


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
