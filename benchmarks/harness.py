"""What every measurement needs: processes of ours and references, loads, and CPU read from the process tree."""

from __future__ import annotations

import http.client
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks.certificates import make
from integration_app import bootstrap, logs
from integration_app.bootstrap import Services, system_clock
from integration_app.local import UNLIMITED
from integration_app.local.ports import free_port
from integration_app.local.stack import Stack
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers import registry
from integration_app.providers.base import OutgoingRequest, SampleMessage

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PHONE = "+15550001111"


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    what: str
    target: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: rounds of reference and ours, requests and deliveries in each, seconds of an open load."""

    rounds: int
    requests: int
    deliveries: int
    seconds: float
    installations: tuple[int, ...]
    waiting: tuple[int, ...]


QUICK = Size(1, 1000, 300, 3.0, (1_000, 10_000), (1_000, 100_000))
FULL = Size(5, 2000, 1500, 20.0, (1_000, 10_000, 100_000), (1_000, 100_000, 1_000_000))


# --- what runs ----------------------------------------------------------------------------------------------


class Bench:
    """Valkey, a stub of Omi, and processes of ours, all on loopback."""

    def __init__(self, folder: Path, latency_ms: float, *, tls: bool, **settings: str) -> None:
        self.stub_port = free_port(0)
        self.stub_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.stub_port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = make(folder) if tls else None
        quick = {
            "OMI_BASE_URL": self.stub_url, "SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "MAIL_QUIET_SECONDS": "0",
            "MEMORY_QUIET_SECONDS": "0", "LOG_LEVEL": "error",
            "OMI_MAX_REQUESTS_PER_MINUTE": "10000000", "WEB_CONCURRENCY": str(os.cpu_count() or 1),
        }  # fmt: skip
        if self.authority:
            quick["REQUESTS_CA_BUNDLE"] = str(self.authority)
        self.stack = Stack(folder, settings=UNLIMITED | quick | settings)
        self._latency = latency_ms

    def start(self) -> None:
        self.stack.start_redis()
        certificate = [str(self.authority.with_name("server.pem"))] if self.authority else []
        command = [sys.executable, "-m", "benchmarks.stub", str(self.stub_port), str(self._latency), *certificate]
        self.spawn("stub", command)
        self.until(lambda: self.seen() is not None)

    def spawn(self, name: str, command: list[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
        with (self.stack.folder / f"{name}.log").open("ab") as log:
            self.stack.processes[name] = subprocess.Popen(
                command, cwd=cwd, stdout=log, stderr=log, env=os.environ | dict(env or {}), start_new_session=True
            )

    def services(self) -> Services:
        self.stack.export()
        logs.configure("text", "error")
        return bootstrap.build()

    def seen(self) -> list[list[Any]] | None:
        try:
            return list(self.ask("/seen")["seen"])
        except requests.ConnectionError:
            return None

    def count(self) -> int:
        """Calls that the stub has taken so far."""
        return int(self.ask("/count")["count"])

    def ask(self, path: str) -> dict[str, Any]:
        answer = requests.get(self.stub_url + path, timeout=30, verify=str(self.authority) if self.authority else True)
        return dict(answer.json())

    def until(self, look: Any, seconds: float = 120.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > deadline:
                raise TimeoutError("the benchmark does not come to an end")
            time.sleep(0.02)
        return found


@contextmanager
def bench(latency_ms: float = 0.0, *, tls: bool = False, **settings: str) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="omi-inbox-bench-") as folder:
        made = Bench(Path(folder), latency_ms, tls=tls, **settings)
        try:
            made.start()
            yield made
        finally:
            made.stack.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and everything below it, ended children too."""
    total, stat = 0, Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    total += sum(map(int, stat[11:15]))
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text(encoding="ascii").split()
        except FileNotFoundError:  # a thread that has just ended
            continue
        total += sum(int(cpu_seconds(int(child)) * TICKS) for child in children)
    return total / TICKS


def signed(stack: Stack, count: int) -> list[OutgoingRequest]:
    """Texts, each of its own, signed as the vendor does it."""
    spec = registry.for_channel("sms")
    assert spec.sender is not None
    sender = spec.sender(stack.env)
    return [
        sender.build_request(
            SampleMessage(sender=PHONE, to="", text=f"text {number}", event_id=f"SM{secrets.token_hex(16)}"),
            stack.env["PUBLIC_BASE_URL"],
            system_clock(),
        )
        for number in range(count)
    ]


def post_all(port: int, sent: list[OutgoingRequest], path: str | None = None, connections: int = 16) -> None:
    """Send all of them, over so many kept-alive connections at once."""

    def some(mine: list[OutgoingRequest]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for one in mine:
            connection.request("POST", path or one.path, body=one.body, headers=dict(one.headers))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}")
        connection.close()

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(some, [sent[first::connections] for first in range(connections)]))


def fill(services: Services, uids: Iterable[str]) -> None:
    """One waiting text for each uid."""
    now = services.clock()
    for number, uid in enumerate(uids):
        phone = f"+1555{number:07d}"
        services.installations.add(uid, now=now)
        services.installations.link_phone(uid, phone)
        services.intake.accept(
            InboundMessage(
                provider="bench", event_id=secrets.token_hex(8), dedupe_keys=(secrets.token_hex(8),), channel="sms",
                route=Route.SENDER, sender=phone, received_at=now, content=Content(text="x" * 80),
            )
        )  # fmt: skip


def memory_bytes(pid: int) -> int:
    """Proportional set size of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) * 1024


def tree_memory(pid: int) -> int:
    """The same, with all processes below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return memory_bytes(pid) + sum(tree_memory(int(child)) for child in children)


def worker_cpu(run_: Bench, pid: int, count: int) -> float:
    """CPU seconds per delivery between the first tenth and the end."""
    run_.until(lambda: run_.count() >= count // 10)
    began, before = run_.count(), cpu_seconds(pid)
    run_.until(lambda: run_.count() >= count)
    return (cpu_seconds(pid) - before) / (count - began)


def ours(run_: Bench, count: int) -> float:
    """The same for our worker, with one waiting text for each of so many users."""
    services = run_.services()
    fill(services, (f"u-{number}" for number in range(count)))
    run_.stack.start("worker")
    found = worker_cpu(run_, run_.stack.processes["worker"].pid, count)
    run_.stack.stop_one("worker")
    services.omi.close()
    return found


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


def spent(pid: int, act: Any) -> float:
    before = cpu_seconds(pid)
    act()
    return cpu_seconds(pid) - before


def ended(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process that runs to its end, with everything below it."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("a reference ended badly")
    return usage.ru_utime + usage.ru_stime


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[max(0, int(len(values) * share) - 1)]


def send_some(
    port: int, texts: list[OutgoingRequest], due: list[float], answered: list[float], first: int, step: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(first, len(texts), step):
        time.sleep(max(0.0, due[number] - time.time()))
        connection.request("POST", texts[number].path, body=texts[number].body, headers=dict(texts[number].headers))
        connection.getresponse().read()
        answered[number] = time.time()
    connection.close()
