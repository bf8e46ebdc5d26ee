"""Connections to Redis: time-outs, a second try, sentinels, and a pool that many threads can share cheaply."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from integration_app.store.cluster import SecureSlotConnection, SlotConnection, Topology, login_and_hosts, slot_of
from integration_app.store.line import Line
from integration_app.store.tags import Packer, TaggedRedis

CONNECTIONS_MAX = 2**31
"""As many as there are threads or greenlets: those are bounded, and a pool that is full would raise instead of wait."""
FRESH_SECONDS = 1.0
"""A connection used so lately is not asked whether it is still open; if it is not, the second try finds out."""


class SharedPool(ConnectionPool):
    """redis-py's pool holds a lock while it tells observers of every command; with 64 threads most of a worker's time
    went into waiting for it. Here idle connections lie on a list, whose two ends of work are atomic by themselves.

    For its parent every connection stays in use, so that closing the pool closes them.
    """

    line: Line
    """What scripts travel by."""

    def reset(self) -> None:
        self._idle: list[tuple[Any, float]] = []
        super().reset()

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        self._checkpid()
        try:
            connection, since = self._idle.pop()
        except IndexError:
            return super().get_connection()
        try:
            if time.monotonic() - since > FRESH_SECONDS and _is_stale(connection):
                connection.disconnect()
            connection.connect()
        except BaseException:
            self._idle.append((connection, 0.0))
            raise
        return connection

    def release(self, connection: Any) -> None:
        if connection.pid != self.pid:
            super().release(connection)
            return
        if connection.should_reconnect():
            connection.disconnect()
        self._idle.append((connection, time.monotonic()))


class _ManagedConnection(SentinelManagedConnection):
    """redis-py leaves a connection behind sentinels open after a time-out; its late answer would be taken for that of
    the next command.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        return super().read_response(*args, **{"disconnect_on_error": True} | options)


def connect(
    url: str,
    *,
    decode: bool,
    timeout: float = 2.0,
    greet: Callable[[Any], None] | None = None,
    tag: str = "",
    topology: Topology | None = None,
) -> Redis:
    """A client with time-outs, so that a Redis that hangs is noticed. RQ needs bytes, everything else text.

    `timeout` in seconds, for a connection and for an answer. `greet` is called with each new connection. `tag` is put
    before every key; a cluster (`topology`) needs one.
    """
    options: dict[str, Any] = {
        "decode_responses": decode,
        "encoding_errors": "surrogateescape",  # sealed values are bytes: read and written back as they are
        "command_packer": Packer(tag),
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "health_check_interval": 30,
        "max_connections": CONNECTIONS_MAX,
        # One quick second try: a connection that a restart has closed is no outage. Scripts are safe to repeat: an
        # accept that was carried out and not answered is found again by its dedupe key. None after a time-out: a
        # primary that hangs costs a request that much once.
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.05), 1, supported_errors=(RedisConnectionError,)),
        "redis_connect_func": greet,
    }
    if url.startswith("redis+sentinel:"):
        return _behind_sentinels(url, options, timeout)
    pool = _in_cluster(topology, options, slot_of(tag)) if topology else SharedPool.from_url(url, **options)
    pool.line = Line(pool)
    return (TaggedRedis if tag else Redis).from_pool(pool)


def _in_cluster(topology: Topology, options: dict[str, Any], slot: int) -> SharedPool:
    kind = SecureSlotConnection if topology.tls else SlotConnection
    return SharedPool(connection_class=kind, topology=topology, slot=slot, **options, **topology.secret, **topology.tls)


def _is_stale(connection: Any) -> bool:
    """Closed by the server, or left with an unread answer."""
    try:
        return bool(connection.can_read())
    except (RedisConnectionError, RedisTimeoutError, OSError):
        return True


def _behind_sentinels(url: str, options: dict[str, Any], timeout: float) -> Redis:
    """`redis+sentinel://[user:password@]host:port,host:port/<service>[/<db>]`: the primary that the sentinels name."""
    parts = urlsplit(url)
    secret, pairs = login_and_hosts(parts.netloc, 26379)
    service, _, number = parts.path.strip("/").partition("/")
    sentinel = Sentinel(pairs, socket_timeout=timeout)
    primary: Redis = sentinel.master_for(
        service, db=int(number or 0), connection_class=_ManagedConnection, **options, **secret
    )
    pool: Any = primary.connection_pool
    pool.line = Line(pool)
    return primary
