"""A Redis or Valkey cluster: connections that lead to the node which has one slot.

redis-py's cluster client says which node that is. Everything above is as on a single server: a tag keeps all keys of a
client in one slot, so that its scripts and transactions stay what they are.

A slot has to move as a whole (Valkey 9: CLUSTER MIGRATESLOTS). While one moves key by key, every script finds its
anchor missing and is sent away, so the slot rests: nothing is written by halves.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.cluster import ClusterNode, RedisCluster
from redis.connection import Connection, SSLConnection
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

SCHEMES = ("redis+cluster", "rediss+cluster")
SHARDS = 16
"""Into how many parts a cluster's users are split, where its URL does not say."""
_ELSEWHERE = "access a non local key"
"""What a node says to a script whose slot it does not have."""


class Topology:
    """Which node has which slot. `redis[s]+cluster://[user:password@]host:port,host:port[/<parts>]`"""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self.secret, self._hosts = login_and_hosts(parts.netloc, 6379)
        self.tls: dict[str, Any] = {}
        if parts.scheme.startswith("rediss"):
            self.tls = (
                {"ssl_cert_reqs": "none"} if "ssl_cert_reqs=none" in parts.query else {"ssl_cert_reqs": "required"}
            )
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: RedisCluster | None = None

    def owner(self, slot: int) -> tuple[str, int]:
        """The primary that has it. Raises redis-py's ConnectionError where no node can say."""
        with self._lock:
            try:
                client = self._client = self._client or self._asked()
                node = client.nodes_manager.get_node_from_slot(slot)
            except (RedisClusterException, ResponseError, OSError) as error:
                raise RedisConnectionError(f"no node of the cluster says who has slot {slot}") from error
            return str(node.host), int(node.port)

    def moved(self, where: MovedError) -> None:
        """The node that had a slot says who has it now; others may not have heard of it yet."""
        with self._lock:
            if self._client is not None:
                self._client.nodes_manager.move_slot(where)

    def forget(self) -> None:
        """Ask again before the next connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _asked(self) -> RedisCluster:
        return RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in self._hosts],
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            ssl=bool(self.tls),
            **self.tls,
            **self.secret,
        )


def login_and_hosts(netloc: str, port: int) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """Of `[user:password@]host[:port],[v6::address]:port`: the login for redis-py, each host with its port."""
    login, _, hosts = netloc.rpartition("@")
    user, _, password = login.partition(":")
    pairs = [urlsplit(f"//{host}") for host in hosts.split(",")]
    secret = {"username": unquote(user) or None, "password": unquote(password)} if password else {}
    return secret, [(pair.hostname or "", pair.port or port) for pair in pairs]


def slot_of(tag: str) -> int:
    return int(key_slot(tag.encode()))


class _ToSlot:
    """A connection to whichever node has `slot` now."""

    def __init__(self, *, topology: Topology, slot: int, **options: Any) -> None:
        self._topology = topology
        self._slot = slot
        super().__init__(**options)

    def _connect(self) -> Any:
        """Where redis-py opens the socket, on every path."""
        self.host, self.port = self._topology.owner(self._slot)
        try:
            return super()._connect()  # type: ignore[misc]
        except (RedisConnectionError, RedisTimeoutError, OSError):
            self._topology.forget()
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **{"disconnect_on_error": True} | options)  # type: ignore[misc]
        except (RedisConnectionError, RedisTimeoutError):
            self._topology.forget()
            raise
        except ResponseError as error:
            if not _is_elsewhere(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            if isinstance(error, MovedError):
                self._topology.moved(error)
            else:
                self._topology.forget()
            raise RedisConnectionError("the slot is on another node") from error


class SlotConnection(_ToSlot, Connection):
    """Plain."""


class SecureSlotConnection(_ToSlot, SSLConnection):
    """With TLS."""


def _is_elsewhere(error: ResponseError) -> bool:
    is_moved = isinstance(error, MovedError | AskError | TryAgainError | ClusterDownError)
    return is_moved or _ELSEWHERE in str(error)
