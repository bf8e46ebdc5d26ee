"""A primary, a replica and a sentinel, as real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from integration_app.local import valkey
from integration_app.local.ports import free_port


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs: its address, and the words in front of its command."""

    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()


class Sentinels:
    """A primary, a replica and a sentinel that watches them. `places`: of the primary and of all others."""

    def __init__(
        self,
        folder: Path,
        *,
        down_after_ms: int = 500,
        replicas: int = 1,
        places: tuple[Place, Place] = (Place(), Place()),
    ) -> None:
        self._primary, self._others = places
        self._binary = valkey.server_path(valkey.EMBEDDED)
        self._folder = folder
        names = ["replica", *(f"replica{number}" for number in range(2, replicas + 1))]
        self.ports = {name: free_port(0) for name in ("primary", *names, "sentinel")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._start("primary")
        for name in names:
            self._start(name, "--replicaof", self._primary.host, str(self.ports["primary"]))
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.ports['sentinel']}\nbind {self._others.host}\nprotected-mode no\ndir {folder}\n"
            f"sentinel monitor main {self._primary.host} {self.ports['primary']} 1\n"
            f"sentinel down-after-milliseconds main {down_after_ms}\nsentinel failover-timeout main 2000\n"
        )
        self._spawn("sentinel", str(config), "--sentinel")

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self._others.host}:{self.ports['sentinel']}/main/0"

    def _start(self, name: str, *more: str) -> None:
        data = self._folder / name
        data.mkdir()
        port, host = str(self.ports[name]), self._place(name).host
        more = (*more, "--protected-mode", "no", "--replica-announce-ip", host)
        self._spawn(name, "--port", port, "--bind", host, "--dir", str(data), "--appendonly", "yes", *more)

    def _place(self, name: str) -> Place:
        return self._primary if name == "primary" else self._others

    def _spawn(self, name: str, *words: str) -> None:
        self.processes[name] = subprocess.Popen(
            [*self._place(name).prefix, self._binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def in_sync(self) -> bool:
        with suppress(RedisError), Redis(self._primary.host, self.ports["primary"]) as primary:
            seen = primary.info("replication")
            replica = seen.get("slave0", {})
            level = replica.get("state") == "online" and replica.get("offset") == seen["master_repl_offset"]
            return level and self._knows_the_replica()
        return False

    def _knows_the_replica(self) -> bool:
        with Redis(self._others.host, self.ports["sentinel"], decode_responses=True) as sentinel:
            return bool(sentinel.sentinel_slaves("main"))

    def has_failed_over(self) -> bool:
        """Whether the sentinel names another primary than the first."""
        with Redis(self._others.host, self.ports["sentinel"], decode_responses=True) as sentinel:
            host, port = sentinel.sentinel_get_master_addr_by_name("main")
            return (host, int(port)) != (self._primary.host, self.ports["primary"])

    def first_is_replica(self) -> bool:
        with Redis(self._primary.host, self.ports["primary"], decode_responses=True) as first:
            return bool(first.info("replication")["role"] == "slave")

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)


def within(seconds: float, look: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(RedisError, OSError):
            if look():
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)
