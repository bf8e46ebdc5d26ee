"""Why Redis does not do what it is asked, and what to do. Nothing of a URL, a password or a value is in it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    (
        (ssl.SSLCertVerificationError,),
        "its certificate cannot be checked",
        "SSL_CERT_FILE=<your CA's certificate>; REDIS_TLS_VERIFY=false checks none",
    ),
    ((ssl.SSLError,), "it does not speak TLS", "redis:// where it speaks none"),
    ((socket.gaierror,), "its host has no address", "is its name right?"),
    ((ConnectionRefusedError, FileNotFoundError), "nothing listens there", "is it running, and its address right?"),
    (
        (AuthenticationError, NoPermissionError),
        "it refuses the login",
        "user, password and their rights: redis://user:password@host",
    ),
    (
        (MovedError, ClusterDownError),
        "it is a node of a cluster",
        "REDIS_URLS=redis+cluster://…; is its cluster whole?",
    ),
    ((ReadOnlyError,), "it is a replica", "name its primary, or its sentinels: redis+sentinel://…"),
    ((BusyLoadingError,), "it still loads its data", "wait for it"),
    ((OutOfMemoryError,), "it is full", "more memory for it (maxmemory)"),
    (
        (RedisTimeoutError, TimeoutError),
        "it gives no answer in time",
        "does it hang, or is a firewall between? redis:// where it speaks no TLS",
    ),
    ((RedisClusterException,), "no node says who has which slots", "is the cluster whole, and are the nodes right?"),
    (
        (ConnectionResetError, BrokenPipeError),
        "it hangs up",
        "rediss:// where it wants TLS; is what stands before it well?",
    ),
)


def why(error: BaseException) -> tuple[str, str]:
    """What is wrong, and what to do."""
    chain = list(_behind(error))
    for kinds, what, cure in _CAUSES:
        if any(isinstance(one, kinds) for one in chain):
            return what, cure
    if "closed by server" in str(error):
        return _CAUSES[-1][1:]
    return f"it fails ({type(error).__name__})", "is it running, and its address right?"


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from: redis-py says the kind of a broken connection in its cause alone."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
