"""One HTTP call: kept-alive connections, both time-outs, an absolute deadline, no redirects, no retry, no sleep.

Sorts what can go wrong on the wire by the one question that matters for a write: was it sent or not.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Mapping
from json import dumps as encode
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3 import HTTPConnectionPool, Retry, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from integration_app.omi.answers import from_response, rate_limit
from integration_app.omi.errors import OmiError, OutcomeUnknown, RateLimit, UnexpectedAnswer, Unreachable
from integration_app.omi.wire.deadlines import POOLS, Deadlines, says_what_is_sent
from integration_app.omi.wire.exchange import Answer

_NO_RETRY = Retry(0, read=False)
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
ANSWER_MAX_BYTES = 64 * 1024 * 1024


class Transport:
    """Calls below one base URL with one bearer key. Safe to share between threads.

    `connect_timeout` and `read_timeout` in seconds; together they are also the absolute deadline of a call, kept by
    closing its socket.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 130.0,
        connections: int = 16,
        user_agent: str = "omi-inbox",
    ) -> None:
        if not (api_key + user_agent).isascii() or not (api_key + user_agent).isprintable():
            raise ValueError("the key for Omi has characters that no key has: a line break, or what is not ASCII")
        self.base_url = base_url.rstrip("/")
        whole = urlsplit(str(requests.Request("GET", self.base_url).prepare().url))
        if whole.query or whole.fragment:
            raise ValueError("the address of Omi ends with its path: nothing behind ? or #")
        self._base = whole._replace(netloc=whole.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._headers = {
            "Host": urlsplit(self._base).netloc,
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": user_agent,
        }
        self._timeout = (connect_timeout, read_timeout)
        self._timeouts = Timeout(connect=connect_timeout, read=read_timeout)
        self._path = urlsplit(self._base).path
        self._target = self._path
        self._seen = threading.local()
        # The environment is looked at once: requests would ask it for proxies and .netrc again on every call.
        self._proxies = get_environ_proxies(self.base_url)
        self._slots = connections
        self._context = _trusted() if self.base_url.startswith("https:") else None
        self.begin()
        _transports.add(self)

    def begin(self) -> None:
        """Without a connection: those that a process had before a fork are its parent's."""
        self._connections: HTTPConnectionPool | None = None
        # A pool smaller than the number of threads would throw connections away on every wave.
        self._adapter = _Adapter(self._context, pool_maxsize=self._slots)
        self._deadlines = Deadlines()

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the last answer to this thread said about limits."""
        found: RateLimit | None = getattr(self._seen, "rate_limit", None)
        return found

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """Return the decoded JSON answer, or raise an `OmiError` by meaning."""
        deadline = time.monotonic() + sum(self._timeout)
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        query = f"?{urlencode(wanted, doseq=True)}" if wanted else ""
        headers, body = self._headers, None
        if json is not None:
            body = encode(json, allow_nan=False).encode()
            headers = headers | {"Content-Type": "application/json", "Content-Length": str(len(body))}
        elif method != "GET":
            headers = headers | {"Content-Length": "0"}
        answer: Any = None
        is_sent = True
        try:
            pool = self._pool()
            with self._deadlines.until(deadline) as watched:
                try:
                    # requests keeps connections; its sessions and requests on top would cost as much as the exchange
                    answer = pool.urlopen(
                        method, f"{self._target}{quote(path, safe=_PATH_SAFE)}{query}", body, headers,
                        retries=_NO_RETRY, redirect=False, assert_same_host=False, timeout=self._timeouts,
                        preload_content=False, decode_content=False,
                    )  # fmt: skip
                    content = _read(answer, deadline)
                finally:
                    is_sent = watched.is_sent or not says_what_is_sent(pool)
            self._seen.rate_limit = rate_limit(answer.headers)
            return from_response(answer.status, answer.headers, content)
        except OmiError:
            raise
        except (HTTPError, OSError, requests.RequestException) as error:
            # `from None`: the chain would carry the URL, and with it the uid, into tracebacks.
            raise _by_meaning(error, is_sent=is_sent) from None
        finally:
            if answer is not None:
                answer.release_conn()  # when its deadline is not watched any more: another call may take it at once

    def _pool(self) -> HTTPConnectionPool:
        """The connections to Omi, or to the proxy before it."""
        pool: Any = self._connections
        if pool is None:
            request = requests.PreparedRequest()
            request.method, request.url = "GET", self._base
            pool = self._adapter.get_connection_with_tls_context(request, True, self._proxies)
            self._adapter.cert_verify(pool, self._base, True, None)
            proxy = select_proxy(self._base, self._proxies)
            is_plain = not self._base.startswith("https:")
            # a proxy is told the whole address, where it does not merely pass a tunnel through
            self._target = self._base if proxy and is_plain and not proxy.startswith("socks") else self._path
            self._connections = pool
        found: HTTPConnectionPool = pool
        return found

    def close(self) -> None:
        self._deadlines.close()
        pool, self._connections = self._connections, None
        if pool is not None:
            pool.close()
        self._adapter.close()


class _Adapter(HTTPAdapter):
    """One TLS context for all connections: reading the bundle of certificates costs more than the handshake."""

    def __init__(self, context: ssl.SSLContext | None, **how: Any) -> None:
        self._context = context
        super().__init__(**how)

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **how)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, proxy_ssl_context=self._context, **how)
        if not proxy.startswith("socks"):  # those have pools of their own; the read time-out has to do there
            manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context knows the certificates; given here, they would be read anew for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"


def _trusted() -> ssl.SSLContext:
    """Trusts what requests would: REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, a file or a folder, else certifi's list."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    is_folder = Path(bundle).is_dir()
    return ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)


def _read(answer: Answer, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while part := answer.read():
            parts.append(part)
            size += len(part)
            if size > ANSWER_MAX_BYTES:
                raise UnexpectedAnswer("Omi's answer is larger than any it documents", status=answer.status)
            if time.monotonic() > deadline:
                raise OutcomeUnknown("Omi did not finish its answer in time", status=answer.status)
    except (HTTPError, OSError):
        raise OutcomeUnknown("the connection broke while Omi answered", status=answer.status) from None
    if time.monotonic() > deadline and not getattr(
        answer, "is_framed", True
    ):  # its end is that of the connection, and may be our doing
        raise OutcomeUnknown("Omi did not finish its answer in time", status=answer.status)
    return b"".join(parts)


def _by_meaning(error: Exception, *, is_sent: bool) -> OmiError:
    """`is_sent`: something of the request may have left; else it certainly has not."""
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, ProxyError):
        return Unreachable("no connection to Omi through the proxy")
    if isinstance(cause, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(cause):
        return Unreachable("Omi's certificate is not trusted")
    if isinstance(cause, LocationValueError | requests.RequestException):
        return Unreachable("Omi's address is not usable")
    if not is_sent:
        is_late = isinstance(cause, ConnectTimeoutError | ReadTimeoutError) and not isinstance(
            cause, NewConnectionError
        )
        return Unreachable("no connection to Omi in time" if is_late else "no connection to Omi")
    if isinstance(cause, SSLError):
        return OutcomeUnknown("the secure connection to Omi broke")
    if isinstance(cause, ReadTimeoutError):
        return OutcomeUnknown("Omi did not answer in time")
    if isinstance(cause, ProtocolError | OSError):
        return OutcomeUnknown("the connection to Omi dropped after sending")
    return OutcomeUnknown("the exchange with Omi broke")


_transports: WeakSet[Transport] = WeakSet()


def _begin_all() -> None:
    for transport in _transports:
        transport.begin()


os.register_at_fork(after_in_child=_begin_all)
