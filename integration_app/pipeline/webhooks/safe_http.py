"""One POST to an address that an operator typed: it may not lead into our own network, and may not last.

The name is resolved once, every address is looked at, and the connection goes to one of those: a name that leads
elsewhere a moment later (DNS rebinding) gains nothing. The URL keeps the name, so certificate and SNI are checked as
ever.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.connection import create_connection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_MAX = 500
_CONNECT_SECONDS, _READ_SECONDS, _SECONDS = 5.0, 10.0, 15.0
_ADDRESSES_MAX = 4
_WEB_PORTS = (80, 443)
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
"""https://www.iana.org/assignments/iana-ipv4-special-registry and its sister for IPv6: what `is_global` says of these
differs from one Python to the next. IPv6 that holds an IPv4 address (mapped, NAT64, 6to4) is outside of 2000::/3, or
here.
"""


class Refused(Exception):  # noqa: N818 - a report
    """Why nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answered:
    """`retry_after`: the header, as it came."""

    status: int
    seconds: float
    retry_after: str = ""


def check_url(url: str, allowed: Sequence[Network] = ()) -> None:
    """Raises `Refused` for what no endpoint can be. Without TLS only into networks that are allowed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("it is no URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or len(url) > URL_MAX or not url.isascii():
        raise Refused("it is no URL such as https://example.com/hooks")
    if parts.scheme == "http" and not allowed:
        raise Refused("it has to be https; http works in WEBHOOK_PRIVATE_NETWORKS alone")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Refused("it must hold neither a password nor a fragment: events are signed")
    if port is not None and port < 1024 and port not in _WEB_PORTS:
        raise Refused("its port belongs to another kind of service")


def is_allowed(address: str, allowed: Sequence[Network], *, is_plain: bool) -> bool:
    """Whether this address may be called: public, or in a network that the operator named."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if any(found.version == network.version and found in network for network in allowed):
        return True
    if is_plain or (found.version == 6 and found not in _PUBLIC_V6):
        return False
    return found.is_global and not any(found.version == net.version and found in net for net in _NOT_PUBLIC)


def post(url: str, body: bytes, headers: dict[str, str], allowed: Sequence[Network] = ()) -> Answered:
    """Raises `Refused` where nothing may be sent there, `OSError` where nobody answers. No redirect is followed."""
    check_url(url, allowed)
    began, deadline = time.monotonic(), _Deadline(_SECONDS)
    with requests.Session() as session:
        session.trust_env = False  # no proxy, no .netrc: both would go around the check
        for scheme in ("https", "http"):
            session.mount(f"{scheme}://", _Pinned(allowed, deadline))
        try:
            with (
                deadline,
                session.post(
                    url,
                    data=body,
                    headers=headers | {"Accept-Encoding": "identity"},
                    timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                pass  # its status says all; what follows is not waited for
        except (requests.RequestException, HTTPError) as error:
            raise OSError("too slow" if deadline.is_over else _named(error)) from None
        if deadline.is_over:
            raise OSError("too slow")
    took = round(time.monotonic() - began, 3)
    return Answered(answer.status_code, took, answer.headers.get("Retry-After", "")[:40])


def _named(error: Exception) -> str:
    """Short, and the same for every closed port: an endpoint is no scanner."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    return "too slow" if isinstance(error, requests.Timeout) else "no connection"


class _Deadline:
    """Ends the connection after `seconds`, whatever it does: a time-out of a read begins anew with each byte. How long
    the resolver takes is its own matter (`resolv.conf`).
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._socket: socket.socket | None = None
        self.is_over = False

    def watch(self, connection: socket.socket) -> None:
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))  # TLS takes the first one over
        if self.is_over:  # it came too late
            self._end()

    def _end(self) -> None:
        self.is_over = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()


class _Pinned(HTTPAdapter):
    """Connects to addresses that were looked at, and to no others."""

    def __init__(self, allowed: Sequence[Network], deadline: _Deadline) -> None:
        self._pools = _pools(allowed, deadline)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _pools(allowed: Sequence[Network], deadline: _Deadline) -> dict[str, Any]:
    def connected(self: Any, *, is_plain: bool) -> socket.socket:
        try:
            rows = socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise NewConnectionError(self, "its name is not known") from None
        addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        if not addresses or not all(is_allowed(one, allowed, is_plain=is_plain) for one in addresses):
            raise Refused("it leads to an address that may not be called: see WEBHOOK_PRIVATE_NETWORKS")
        return _first(self, addresses, deadline)

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, is_plain=True)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, is_plain=False)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _first(connection: Any, addresses: Sequence[str], deadline: _Deadline) -> socket.socket:
    if connection.port < 1024 and connection.port not in _WEB_PORTS:
        raise Refused("its port belongs to another kind of service")
    for address in addresses[:_ADDRESSES_MAX]:
        if deadline.is_over:
            break
        with contextlib.suppress(OSError):
            made = create_connection(
                (address, connection.port), connection.timeout, connection.source_address, connection.socket_options
            )
            deadline.watch(made)
            return made
    raise NewConnectionError(connection, "nobody answers")


Post = Callable[[str, bytes, dict[str, str], Sequence[Network]], Answered]
