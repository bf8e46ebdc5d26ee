"""Redis forgets: power cuts, failovers, a pause, an empty store, an old copy. Real processes, a real clock, real faults.

Texts arrive one after the other while it happens, sent again after a refusal as a provider does; a worker drains. At the
end everything that was acknowledged is looked for in Omi.

A power cut is a substitute: Valkey is killed and its append-only file cut back to what it held a second ago (everysec), which
is the most that an unflushed page cache can lose; with `always` a write is acknowledged after its fsync, so nothing is cut.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from redis import Redis
from redis.exceptions import RedisError

from integration_app import bootstrap
from integration_app.bootstrap import Services, system_clock
from integration_app.errors import InboxError
from integration_app.local import UNLIMITED, valkey
from integration_app.local.ports import free_port
from integration_app.local.stack import Stack
from integration_app.model import Clock
from integration_app.store.identity import Identity
from tests.proof import namespaces
from tests.sandbox_control import SandboxControl
from tests.sentinels import Place, Sentinels, within
from tests.unit.factories import message

PHONES = {f"u{number}": f"+1555000{number:04d}" for number in range(8)}
FAST = {
    "MAIL_QUIET_SECONDS": "0",
    "MEMORY_QUIET_SECONDS": "0", "SMS_QUIET_SECONDS": "0.3", "SMS_MAX_WAIT_SECONDS": "1", "OMI_SETTLE_SECONDS": "3", "OMI_CONNECT_TIMEOUT_SECONDS": "1",
    "OMI_READ_TIMEOUT_SECONDS": "2", "JOB_TIMEOUT_SECONDS": "6", "LEASE_SECONDS": "8",
    "OMI_MAX_REQUESTS_PER_MINUTE": "60000", **UNLIMITED,
}  # fmt: skip


@dataclass
class Gap:
    """What came of one experiment. `lost`: acknowledged, and nowhere. `refused`: not acknowledged at first."""

    what: str
    tried: int = 0
    lost: int = 0
    doubled: int = 0
    refused: int = 0
    seconds: float = 0.0
    may_lose: bool = False


class Run:
    """Senders and a worker in this process, against the given Redis."""

    def __init__(
        self, sandbox: SandboxControl, url: str, *, clock: Clock = system_clock, works: bool = True, **env: str
    ) -> None:
        self.sandbox = sandbox
        self._clock = clock
        self._targets = (self._send, self._work) if works else (self._send,)
        self._env = patch.dict(os.environ, FAST | {"REDIS_URL": url} | env)
        self._stop = threading.Event()
        self.acknowledged: list[tuple[str, str]] = []
        self.refused = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Run:
        self._env.start()
        self.services: Services = bootstrap.build(clock=self._clock)
        self.sandbox.reset()
        self.sandbox.boost(1000)
        self.sandbox.enable(*PHONES)
        within(20, lambda: self.services.identity.init(now=datetime.now(UTC)) or self.services.identity.is_ours())
        for uid, phone in PHONES.items():
            self.services.installations.add(uid, now=self.services.clock())
            self.services.installations.link_phone(uid, phone)
        for target in self._targets:
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        self.services.omi.close()
        self._env.stop()

    def _send(self) -> None:
        number = 0
        users = list(PHONES.items())
        while not self._stop.is_set() and not self.stops_sending.is_set():
            uid, phone = users[number % len(users)]
            words = f"w{number:05d}"
            self._until_acknowledged(words, phone)
            self.acknowledged.append((uid, words))
            number += 1
            time.sleep(0.004)

    stops_sending = threading.Event()

    def _until_acknowledged(self, words: str, phone: str) -> None:
        while not self._stop.is_set():
            arrived = message(words, sender=phone, dedupe_keys=(words,), received_at=self.services.clock())
            try:
                self.services.intake.accept(arrived)
            except (RedisError, OSError, InboxError):
                self.refused += 1
                time.sleep(0.2)
            else:
                return

    def _work(self) -> None:
        """As a worker does: what is due is promoted, and drained by several at a time."""
        while not self._stop.is_set():
            with suppress(RedisError, OSError, InboxError):
                due = self.services.due.promote(now=self.services.clock(), repeat_ms=5000, limit=100)
                drains = [threading.Thread(target=self._drain, args=(uid,), daemon=True) for uid in due]
                for thread in drains:
                    thread.start()
                for thread in drains:
                    thread.join(15)
            time.sleep(0.05)

    def _drain(self, uid: str) -> None:
        with suppress(RedisError, OSError, InboxError):
            self.services.drain.run(uid)

    def rest(self, seconds: float = 90) -> None:
        """No more texts; until nothing waits."""
        self.stops_sending.set()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(RedisError, OSError):
                if not any(self.services.outbox.sizes(list(PHONES)).values()):
                    break
            time.sleep(0.3)
        self.stops_sending.clear()

    def result(self, what: str, begun: float) -> Gap:
        held = {uid: "\n".join(self.sandbox.texts(uid)).replace("Me: ", "").split() for uid in PHONES}
        counts = [held[uid].count(words) for uid, words in self.acknowledged]
        parked = sum(len(delivery.message_ids) for delivery, _ in self.services.dead_letters.list())
        waits = sum(self.services.outbox.sizes(list(PHONES)).values())
        lost = sum(count == 0 for count in counts) - parked - waits
        doubled = sum(count > 1 for count in counts)
        return Gap(what, len(counts), max(0, lost), doubled, self.refused, round(time.monotonic() - begun, 1))


class Server:
    """One Valkey, killed and started again."""

    def __init__(self, folder: Path, fsync: str) -> None:
        self.folder, self.fsync = folder, fsync
        self.port = free_port(0)
        self.sizes: list[tuple[float, int]] = []
        self._watching = threading.Event()
        self.start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--appendonly", "yes"]
        words += ["--appendfsync", self.fsync, "--save", "", "--auto-aof-rewrite-percentage", "0"]
        self.process = subprocess.Popen(
            [valkey.server_path(valkey.EMBEDDED), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        within(20, lambda: Redis(port=self.port).ping())

    def _file(self) -> Path | None:
        return next(iter(sorted(self.folder.glob("appendonlydir/*.incr.aof"))), None)

    def _watch(self) -> None:
        while not self._watching.wait(0.01):
            if file := self._file():
                self.sizes.append((time.monotonic(), file.stat().st_size))

    def power_cut(self) -> None:
        self.process.kill()
        self.process.wait()
        file = self._file()
        if self.fsync == "everysec" and file is not None:
            flushed = [size for at, size in self.sizes if at < time.monotonic() - 1.0]
            with file.open("r+b") as handle:
                handle.truncate(flushed[-1] if flushed else 0)
        self.start()

    def close(self) -> None:
        self._watching.set()
        self.process.kill()
        self.process.wait()


def power_cuts(sandbox: SandboxControl, fsync: str, cuts: int = 3) -> Gap:
    begun = time.monotonic()
    with _folder() as folder:
        server = Server(folder, fsync)
        try:
            with Run(sandbox, server.url) as run:
                for _ in range(cuts):
                    time.sleep(2.5)
                    server.power_cut()
                time.sleep(1)
                run.rest()
                found = run.result(f"power cut ×{cuts}, appendfsync {fsync}", begun)
                found.may_lose = fsync != "always"
                return found
        finally:
            server.close()


def failover(
    sandbox: SandboxControl,
    name: str,
    replicas: int,
    fault: Callable[[Sentinels], None],
    places: tuple[Place, Place] = (Place(), Place()),
) -> Gap:
    begun = time.monotonic()
    with _folder() as folder:
        made = Sentinels(folder, down_after_ms=1000, replicas=2, places=places)
        try:
            within(30, made.in_sync)
            with Run(sandbox, made.url, ACK_REPLICAS=str(replicas), ACK_WAIT_MS="500") as run:
                time.sleep(2)
                fault(made)
                time.sleep(8)
                run.rest()
                assert made.has_failed_over()
                found = run.result(f"{name}, ACK_REPLICAS={replicas}", begun)
                found.may_lose = not replicas
                return found
        finally:
            made.close()


def killed(made: Sentinels) -> None:
    made.kill("primary")


def paused(seconds: float) -> Callable[[Sentinels], None]:
    def fault(made: Sentinels) -> None:
        made.signal("primary", signal.SIGSTOP)
        time.sleep(seconds)
        made.signal("primary", signal.SIGCONT)

    return fault


def partitioned(sandbox: SandboxControl, replicas: int, *, whole: bool) -> Gap:
    """The primary is cut off for 6 s from its replicas and sentinel, and with `whole` from us too. Else two primaries are
    written to for a while: a worker and a door that know the old one go on with it.
    """
    name = "primary cut off from everybody 6 s" if whole else "primary cut off from its replicas 6 s"
    if not namespaces.allowed():
        return Gap(f"{name}: not tried, no network namespaces here")
    with namespaces.Net() as net:

        def fault(made: Sentinels) -> None:
            net.cut(whole=whole)
            time.sleep(6)
            net.heal()
            within(60, made.first_is_replica)  # until then two are written to

        return failover(sandbox, name, replicas, fault, net.places)


def clocks(sandbox: SandboxControl) -> Gap:
    """The clock of this host is set back ten minutes, and then twenty ahead, in mid-work."""
    begun = time.monotonic()
    off = [0.0]
    with _folder() as folder:
        server = Server(folder, "always")
        try:
            with Run(sandbox, server.url, clock=lambda: datetime.now(UTC) + timedelta(seconds=off[0])) as run:
                for seconds in (-600, 600):
                    time.sleep(3)
                    off[0] = seconds
                time.sleep(3)
                run.rest()
                return run.result("the clock set −10 min, then +10 min", begun)
        finally:
            server.close()


def frozen(sandbox: SandboxControl) -> Gap:
    """Two worker processes; one of them stands still for longer than its lease, with calls in flight, three times."""
    begun = time.monotonic()
    with _folder() as folder:
        server = Server(folder, "always")
        workers: list[subprocess.Popen[bytes]] = []
        try:
            with Run(sandbox, server.url, works=False) as run:
                sandbox.latency(0.5)
                workers += [_worker(), _worker()]
                for number in range(3):
                    time.sleep(2)
                    workers[number % 2].send_signal(signal.SIGSTOP)
                    time.sleep(float(FAST["LEASE_SECONDS"]) + 2)
                    workers[number % 2].send_signal(signal.SIGCONT)
                sandbox.latency(0)
                run.rest()
                return run.result("a worker frozen beyond its lease ×3", begun)
        finally:
            for process in workers:
                process.kill()
                process.wait()
            server.close()


def _worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers", "--slots", "8"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def flushed(sandbox: SandboxControl) -> Gap:
    """Everything waiting at that moment is lost, of course; nothing that is acknowledged afterwards."""
    begun = time.monotonic()
    with _folder() as folder:
        server = Server(folder, "always")
        try:
            with Run(sandbox, server.url) as run:
                time.sleep(2)
                Redis(port=server.port).flushall()
                time.sleep(0.1)  # what was on its way
                run.acknowledged.clear()
                time.sleep(2)
                refused = run.refused
                Identity(Redis(port=server.port, decode_responses=True)).init(now=datetime.now(UTC))
                for uid, phone in PHONES.items():
                    run.services.installations.add(uid, now=run.services.clock())
                    run.services.installations.link_phone(uid, phone)
                time.sleep(1)
                run.rest()
                found = run.result("FLUSHALL: what is acknowledged after it", begun)
                found.refused = refused
                return found
        finally:
            server.close()


def restored(sandbox: SandboxControl) -> Gap:
    """A copy made in mid-work comes back three seconds later: what was accepted after it is lost, nothing is doubled."""
    begun = time.monotonic()
    with _folder() as folder:
        server = Server(folder, "always")
        try:
            with Run(sandbox, server.url) as run:
                time.sleep(2.5)
                copy = folder.parent / f"{folder.name}-copy"
                shutil.copytree(folder / "appendonlydir", copy)
                kept = len(run.acknowledged)
                time.sleep(3)
                server.process.kill()
                server.process.wait()
                lost = run.acknowledged[kept:]
                shutil.rmtree(folder / "appendonlydir")
                shutil.copytree(copy, folder / "appendonlydir")
                shutil.rmtree(copy)
                server.start()
                time.sleep(2)
                run.rest()
                found = run.result("a copy of three seconds ago restored", begun)
                held = {uid: "\n".join(sandbox.texts(uid)) for uid, _ in lost}
                found.what += (
                    f" ({sum(words not in held[uid] for uid, words in lost)} accepted after the copy are gone)"
                )
                found.lost -= sum(words not in held[uid] for uid, words in lost)
                return found
        finally:
            server.close()


EXPERIMENTS: dict[str, Callable[[SandboxControl], Gap]] = {
    "power cut, always": lambda sandbox: power_cuts(sandbox, "always"),
    "power cut, everysec": lambda sandbox: power_cuts(sandbox, "everysec"),
    "primary killed": lambda sandbox: failover(sandbox, "primary killed", 1, killed),
    "paused 4 s": lambda sandbox: failover(sandbox, "primary paused 4 s", 0, paused(4)),
    "paused 4 s, one replica": lambda sandbox: failover(sandbox, "primary paused 4 s", 1, paused(4)),
    "paused 12 s": lambda sandbox: failover(sandbox, "primary paused 12 s", 1, paused(12)),
    "cut off, one replica": lambda sandbox: partitioned(sandbox, 1, whole=True),
    "split, no replica": lambda sandbox: partitioned(sandbox, 0, whole=False),
    "split, one replica": lambda sandbox: partitioned(sandbox, 1, whole=False),
    "frozen worker": frozen,
    "clock": clocks,
    "FLUSHALL": flushed,
    "restored": restored,
}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="omi-inbox-gap-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def all_of(say: Callable[[str], None], only: tuple[str, ...] = ()) -> list[Gap]:
    found: list[Gap] = []
    with _folder() as folder:
        stack = Stack(folder, default_ports=False)
        try:
            stack.start_sandbox()
            env = stack.env
            sandbox = SandboxControl(stack.sandbox_url, env["OMI_APP_ID"], env["OMI_API_KEY"])
            with patch.dict(os.environ, env):
                for name, experiment in EXPERIMENTS.items():
                    if only and name not in only:
                        continue
                    say(f"{name} …")
                    found.append(experiment(sandbox))
                    say(f"  {found[-1]}")
        finally:
            stack.stop()
    return found


if __name__ == "__main__":
    import click

    from integration_app import logs

    logs.configure("text", "critical")
    all_of(click.echo, tuple(sys.argv[1:]))
