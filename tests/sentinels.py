"""A primary, a replica and a sentinel, as real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from integration_app.local import stack as stack_module


class Sentinels:
    """A primary, a replica and a sentinel that watches them."""

    def __init__(self, folder: Path, *, down_after_ms: int = 500, replicas: int = 1) -> None:
        self._binary = stack_module.server_path(stack_module.EMBEDDED)
        self._folder = folder
        names = ["replica", *(f"replica{number}" for number in range(2, replicas + 1))]
        self.ports = {name: stack_module.free_port(0) for name in ("primary", *names, "sentinel")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._start("primary")
        for name in names:
            self._start(name, "--replicaof", "127.0.0.1", str(self.ports["primary"]))
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.ports['sentinel']}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {self.ports['primary']} 1\n"
            f"sentinel down-after-milliseconds main {down_after_ms}\nsentinel failover-timeout main 2000\n"
        )
        self._spawn("sentinel", str(config), "--sentinel")

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.ports['sentinel']}/main/0"

    def _start(self, name: str, *more: str) -> None:
        data = self._folder / name
        data.mkdir()
        port = str(self.ports[name])
        self._spawn(name, "--port", port, "--bind", "127.0.0.1", "--dir", str(data), "--appendonly", "yes", *more)

    def _spawn(self, name: str, *words: str) -> None:
        self.processes[name] = subprocess.Popen(
            [self._binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def in_sync(self) -> bool:
        with suppress(RedisError), Redis(port=self.ports["primary"]) as primary:
            seen = primary.info("replication")
            replica = seen.get("slave0", {})
            level = replica.get("state") == "online" and replica.get("offset") == seen["master_repl_offset"]
            return level and self._knows_the_replica()
        return False

    def _knows_the_replica(self) -> bool:
        with Redis(port=self.ports["sentinel"], decode_responses=True) as sentinel:
            return bool(sentinel.sentinel_slaves("main"))

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
