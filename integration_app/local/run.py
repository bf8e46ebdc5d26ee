"""Web, worker, an embedded Valkey, and the mailbox process where one is read, as one: for a small server, or a platform
that runs one process.

What dies is started again. SIGTERM stops the worker, then web, then Valkey; a second one does not wait for calls that
are in flight. When it is killed itself, the others end too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.parse import quote

from redis.exceptions import BusyLoadingError, RedisError

from integration_app.local import valkey
from integration_app.local.stack import MAILBOX, PROCESSES, ROOT
from integration_app.logs import get
from integration_app.store.connections import connect
from integration_app.store.identity import Identity

log = get("run")

READY_SECONDS = 60.0
"""Valkey reads what it has kept first."""
STOP_SECONDS = {"worker": 170.0, "web": 25.0, "mailbox": 70.0}
"""What each has for what is in flight; Valkey as long as it needs."""
LOCK_SECONDS = 5.0
TWICE_SECONDS = 1.0
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
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    died: int = 0
    again_at: float = 0.0


class Run:
    """`Run(data, env).forever()`; `data` holds the embedded Valkey's files unless `REDIS_URL` is set."""

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        self.data = data
        self.is_embedded = not any(env.get(f"REDIS_{name}") for name in ("URL", "URL_FILE", "URLS", "URLS_FILE"))
        self._env = dict(env)
        self._children: dict[str, _Child] = {}
        self._signals, self._signalled = 0, 0.0
        self._lock: IO[str] | None = None
        if self.is_embedded:
            self._env["REDIS_URL"] = embedded_url(data)
        # gunicorn puts the folder it runs in before everything: no package of this one may stand in for ours
        self._env |= {
            n: str(Path(v).resolve()) for n, v in env.items() if v and (n.endswith("_FILE") or n == "DATA_FOLDER")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{self._env.get('PATH', '')}"
        self._env |= {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}

    @property
    def redis_url(self) -> str | None:
        """The embedded Valkey's."""
        return self._env["REDIS_URL"] if self.is_embedded else None

    def forever(self) -> int:
        """Until a signal; the exit code. Raises `RunError`."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)
        try:
            if self.is_embedded:
                self._start_valkey()
            self._check_port()
            reads_mailbox = self._env.get("MAILBOX_HOST") or self._env.get("MAILBOX_HOST_FILE")
            for name, line in (PROCESSES | (MAILBOX if reads_mailbox else {})).items():
                self._children[name] = child = _Child(["/bin/sh", "-c", f"exec {line}"])
                self._start(name, child)
            return self._watch()
        finally:
            self._stop()

    def _check_port(self) -> None:
        """gunicorn would go on trying."""
        host, port = self._env.get("WEB_HOST") or "0.0.0.0", int(self._env.get("PORT") or 8000)  # noqa: S104
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise RunError(
                    f"port {port} at {host} cannot be had ({error.strerror}) → set PORT, or end who has it"
                ) from None

    # --- Valkey ---------------------------------------------------------------------------------------------

    def _start_valkey(self) -> None:
        try:
            binary = valkey.server_path(valkey.EMBEDDED)
        except valkey.ServerMissingError as error:
            raise RunError(f"{error}; or set REDIS_URL") from None
        folder, ours = self.data / "valkey", self.data / "ours"
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            self._lock = self._locked()
        except OSError as error:
            raise RunError(f"{self.data} cannot be written: {error.strerror}") from None
        options = valkey.durable(folder) | {
            "port": "0", "unixsocket": str(valkey.socket_of(self.data)), "unixsocketperm": "700",
            "maxmemory": str(valkey.memory_limit()), "loglevel": "warning",
        }  # fmt: skip
        # the lock is Valkey's too: it lasts as long as either of us may write
        self._children["valkey"] = child = _Child(valkey.command(binary, options), (self._lock.fileno(),))
        self._start("valkey", child)
        if not self._valkey_answers(child) or ours.exists():
            return
        with connect(self._env["REDIS_URL"], decode=True) as client:
            Identity(client).init(now=datetime.now(UTC))
        ours.touch(mode=0o600)  # once for this folder: a store that is emptied later is noticed
        log.warning("a new store", folder=str(folder))

    def _locked(self) -> IO[str]:
        """This folder's lock; the one who had it may be about to end."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW  # a link may lead to any file
        file = os.fdopen(os.open(self.data / "lock", flags, 0o600), "r+")
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.close()
                    raise RunError(f"{self.data} is in use by another `omi-inbox run`") from None
                time.sleep(0.1)
            else:
                return file

    def _valkey_answers(self, child: _Child) -> bool:
        """Whether it does, once it has read what it has kept; False after a signal to stop. Raises `RunError`."""
        deadline = time.monotonic() + READY_SECONDS
        with connect(self._env["REDIS_URL"], decode=True) as client:
            while not self._signals:
                try:
                    if client.ping():
                        return True
                except BusyLoadingError:
                    deadline = time.monotonic() + READY_SECONDS
                except (RedisError, OSError):
                    pass
                ended = child.process is not None and child.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise RunError(f"the embedded Valkey does not start; its files are in {self.data / 'valkey'}")
                time.sleep(0.05)
        return False

    # --- processes ------------------------------------------------------------------------------------------

    def _start(self, name: str, child: _Child) -> None:
        child.started = time.monotonic()
        child.process = subprocess.Popen(  # noqa: S603 - our own commands
            child.command,
            stdin=subprocess.DEVNULL,
            env=self._env,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
            pass_fds=child.pass_fds,
            preexec_fn=_end_with_us,
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
        """The worker first, which may take as long as a call to Omi: messages are taken in meanwhile."""
        for name in reversed(self._children):
            child = self._children[name]
            if name == "valkey" and child.process is not None and child.process.poll() is None:
                with contextlib.suppress(RedisError, OSError), connect(self._env["REDIS_URL"], decode=True) as client:
                    Identity(client).closing()
            _signal(child, signal.SIGTERM)
            latest = time.monotonic() + STOP_SECONDS.get(name, math.inf)
            while child.process is not None and child.process.poll() is None:
                is_late = time.monotonic() > latest
                if is_late or (self._signals > 1 and name != "valkey"):
                    log.warning("killed", process=name, why="it did not stop in time" if is_late else "asked twice")
                    _signal(child, signal.SIGKILL)
                    child.process.wait()
                time.sleep(0.05)
        if self._lock is not None:
            self._lock.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Two within a second are one: a closing terminal tells the shell and the process."""
        now = time.monotonic()
        if not self._signals or now - self._signalled > TWICE_SECONDS:
            self._signals += 1
        self._signalled = now


def embedded_url(data: Path) -> str:
    """Raises `RunError` where the path is too long for a socket."""
    path = str(valkey.socket_of(data))
    if len(path.encode()) > valkey.SOCKET_PATH_MAX:
        raise RunError(f"{data.resolve()} is too long a path for a socket: choose a shorter one with --data")
    return f"unix://{quote(path)}"


def _end_with_us() -> None:
    """In the child, on Linux: SIGTERM when the parent is gone, however it went."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _signal(child: _Child, number: signal.Signals) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)
