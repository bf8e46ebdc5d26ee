"""Web, worker and an embedded Valkey as one: for a small server, or a platform that runs one process.

What dies is started again. SIGTERM stops web and worker together, then Valkey; a second one does not wait for calls
that are in flight.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO

from redis.exceptions import RedisError

from integration_app.local import valkey
from integration_app.local.stack import PROCESSES
from integration_app.logs import get
from integration_app.store.connections import connect
from integration_app.store.identity import Identity

log = get("run")

READY_SECONDS = 60.0
"""Valkey reads what it has kept first."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Before what died is started again; from the beginning after it has lived for `STEADY_SECONDS`."""
STEADY_SECONDS = 60.0
USAGE = 2
"""Exit code of a process that cannot use its settings: starting it again cannot help."""


class RunError(Exception):
    """It cannot run; the sentence says why."""


@dataclass(slots=True)
class _Child:
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    died: int = 0
    again_at: float = 0.0


class Run:
    """`Run(data, env).forever()`; `data` holds the embedded Valkey's files unless `REDIS_URL` is set."""

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        self.data = data
        self.is_embedded = not env.get("REDIS_URL")
        self._env = dict(env)
        self._children: dict[str, _Child] = {}
        self._signals = 0
        self._lock: IO[str] | None = None
        if self.is_embedded:
            self._env["REDIS_URL"] = embedded_url(data)
        path = f"{Path(sys.executable).parent}{os.pathsep}{self._env.get('PATH', '')}"
        self._env |= {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}  # no package of the folder's own

    @property
    def redis_url(self) -> str:
        return self._env["REDIS_URL"]

    def forever(self) -> int:
        """Until a signal; the exit code. Raises `RunError`."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            if self.is_embedded:
                self._start_valkey()
            for name, line in PROCESSES.items():
                self._children[name] = child = _Child(["/bin/sh", "-c", f"exec {line}"])
                self._start(name, child)
            return self._watch()
        finally:
            self._stop()

    # --- Valkey ---------------------------------------------------------------------------------------------

    def _start_valkey(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (self.data / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"{self.data} is in use by another `omi-inbox run`") from None
        folder, socket = self.data / "valkey", valkey.socket_of(self.data)
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True, mode=0o700)
        options = valkey.durable(folder) | {
            "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "maxmemory": str(valkey.memory_limit()),
            "loglevel": "warning",
        }  # fmt: skip
        try:
            binary = valkey.server_path(valkey.EMBEDDED)
        except valkey.ServerMissingError as error:
            raise RunError(f"{error}; or set REDIS_URL") from None
        self._children["valkey"] = child = _Child(valkey.command(binary, options))
        self._start("valkey", child)
        self._wait_for_valkey(child)
        if is_new:
            with connect(self._env["REDIS_URL"], decode=True) as client:
                Identity(client).init(now=datetime.now(UTC))
            log.warning("a new store", folder=str(folder))

    def _wait_for_valkey(self, child: _Child) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with connect(self._env["REDIS_URL"], decode=True) as client:
            while time.monotonic() < deadline and not self._signals:
                try:
                    if client.ping():
                        return
                except (RedisError, OSError):
                    pass
                if child.process is not None and child.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RunError(f"the embedded Valkey does not start; its files are in {self.data / 'valkey'}")

    # --- processes ------------------------------------------------------------------------------------------

    def _start(self, name: str, child: _Child) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(  # noqa: S603 - our own commands
            child.command,
            stdin=subprocess.DEVNULL,
            env=self._env,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
        )

    def _watch(self) -> int:
        while not self._signals:
            now = time.monotonic()
            for name, child in self._children.items():
                if child.process is None:
                    if now >= child.again_at:
                        self._start(name, child)
                    continue
                code = child.process.poll()
                if code is None:
                    continue
                if code == USAGE and name != "valkey":
                    return USAGE  # it has said why
                child.process = None
                child.died = 0 if now - child.started > STEADY_SECONDS else child.died
                pause = PAUSES[min(child.died, len(PAUSES) - 1)]
                child.died += 1
                child.again_at = now + pause
                log.error("ended, and is started again", process=name, exit_code=code, seconds=pause)
            time.sleep(0.2)
        return 0

    def _stop(self) -> None:
        serving = {name: child for name, child in self._children.items() if name != "valkey"}
        for child in serving.values():
            _signal(child, signal.SIGTERM)
        while any(child.process is not None and child.process.poll() is None for child in serving.values()):
            if self._signals > 1:
                for child in serving.values():
                    _signal(child, signal.SIGKILL)
            time.sleep(0.1)
        for child in self._children.values():
            _signal(child, signal.SIGTERM)
            if child.process is not None:
                child.process.wait()
        if self._lock is not None:
            self._lock.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1


def embedded_url(data: Path) -> str:
    """Raises `RunError` where the path is too long for a socket."""
    path = str(valkey.socket_of(data))
    if len(path.encode()) > valkey.SOCKET_PATH_MAX:
        raise RunError(f"{data.resolve()} is too long a path for a socket: choose a shorter one with --data")
    return f"unix://{path}"


def _signal(child: _Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)
