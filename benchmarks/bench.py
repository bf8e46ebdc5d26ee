"""The measurements. Each starts what it needs, alternates reference and ours, and gives back a row of the table."""

from __future__ import annotations

import http.client
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import requests
from rq import Queue

from benchmarks.rq_job import deliver
from integration_app import bootstrap, logs
from integration_app.bootstrap import Services
from integration_app.cli.stack import Stack, _port
from integration_app.model import Content, InboundMessage, Route
from integration_app.pipeline.rules import Rules
from integration_app.providers import registry
from integration_app.providers.base import OutgoingRequest, SampleMessage
from integration_app.simulation import run, trace
from integration_app.web.app import create_app

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
    rounds: int
    requests: int
    deliveries: int
    seconds: float


QUICK, FULL = Size(3, 1500, 600, 6.0), Size(5, 3000, 2000, 30.0)


# --- what runs ----------------------------------------------------------------------------------------------


class Bench:
    """Valkey, a stub of Omi, and processes of ours, all on loopback."""

    def __init__(self, folder: Path, latency_ms: float = 0.0, **settings: str) -> None:
        self.stub_port = _port(0)
        self.stub_url = f"http://127.0.0.1:{self.stub_port}"
        quick = {
            "OMI_BASE_URL": self.stub_url, "SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "LOG_LEVEL": "error",
            "OMI_MAX_REQUESTS_PER_MINUTE": "10000000", "WEB_CONCURRENCY": str(os.cpu_count() or 1),
        }  # fmt: skip
        self.stack = Stack(folder, settings=quick | settings)
        self._latency = latency_ms
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        self.stack.start_redis()
        self.spawn("stub", [sys.executable, "-m", "benchmarks.stub", str(self.stub_port), str(self._latency)])
        self.until(lambda: self.seen() is not None)

    def spawn(self, name: str, command: list[str], **env: str) -> None:
        with (self.stack.folder / f"{name}.log").open("ab") as log:
            self.stack.processes[name] = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | env, start_new_session=True
            )

    def services(self) -> Services:
        self.stack.export()
        logs.configure("text", "error")
        return bootstrap.build()

    def seen(self) -> list[list[Any]] | None:
        try:
            return list(requests.get(f"{self.stub_url}/seen", timeout=30).json()["seen"])
        except requests.ConnectionError:
            return None

    def until(self, look: Any, seconds: float = 120.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > deadline:
                raise TimeoutError("the benchmark does not come to an end")
            time.sleep(0.02)
        return found


@contextmanager
def bench(latency_ms: float = 0.0, **settings: str) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="omi-inbox-bench-") as folder:
        made = Bench(Path(folder), latency_ms, **settings)
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
        for child in (task / "children").read_text(encoding="ascii").split():
            total += int(cpu_seconds(int(child)) * TICKS)
    return total / TICKS


def signed(stack: Stack, count: int) -> list[OutgoingRequest]:
    """Texts, each of its own, signed as the vendor does it."""
    spec = next(spec for spec in registry.specs().values() if "sms" in spec.channels)
    assert spec.sender is not None
    sender = spec.sender(stack.env)
    return [
        sender.compose(
            SampleMessage(sender=PHONE, to="", text=f"text {number}", event_id=f"SM{secrets.token_hex(16)}"),
            stack.env["PUBLIC_BASE_URL"],
        )
        for number in range(count)
    ]


def post_all(port: int, sent: list[OutgoingRequest], path: str | None = None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for one in sent:
        connection.request("POST", path or one.path, body=one.body, headers=dict(one.headers))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"answered {answer.status}")
    connection.close()


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


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


# --- the rows -----------------------------------------------------------------------------------------------


def accept_cpu(size: Size) -> Row:
    """I1: CPU per accepted signed text, in proportion to Flask saying hello under the same gunicorn."""
    ratios = []
    with bench() as run_:
        services = run_.services()
        services.installations.add("u", now=services.clock())
        services.installations.link_phone("u", PHONE)
        run_.stack.start("web")
        port, hello = int(run_.stack.env["PORT"]), _port(0)
        command = ["gunicorn", "--config", "python:integration_app.web.gunicorn_conf", "benchmarks.hello:app"]
        cores = run_.stack.env["WEB_CONCURRENCY"]
        run_.spawn("hello", [str(Path(sys.executable).parent / command[0]), *command[1:]],
                   PORT=str(hello), WEB_HOST="127.0.0.1", WEB_CONCURRENCY=cores)  # fmt: skip
        for url in (f"{run_.stack.web_url}/livez", f"http://127.0.0.1:{hello}/"):
            run_.until(lambda url=url: answers(url))
        for number in range(size.rounds + 1):
            sent = signed(run_.stack, size.requests)
            ours = _spent(run_.stack.processes["web"].pid, lambda sent=sent: post_all(port, sent))
            theirs = _spent(run_.stack.processes["hello"].pid, lambda sent=sent: post_all(hello, sent, "/"))
            if number:  # the first round warms up
                ratios.append(ours / max(theirs, 1 / TICKS))
    middle = statistics.median(ratios)
    return Row("I1", "CPU per accepted signed SMS ÷ Flask hello, same gunicorn", "≤ 2.0", spread(ratios), middle <= 2.0)


def accept_round_trips() -> Row:
    """I2: round trips to Redis for one accepted text, counted at the connection."""
    with bench() as run_:
        services = run_.services()
        services.installations.add("u", now=services.clock())
        services.installations.link_phone("u", PHONE)
        client = create_app(services).test_client()
        first, second = signed(run_.stack, 2)
        client.post(first.path, data=first.body, headers=dict(first.headers))
        trips: list[str] = []
        before: Any = redis.connection.AbstractConnection.send_packed_command

        def counted(self: Any, command: Any, check_health: bool = True) -> None:
            trips.append(type(self).__name__)
            before(self, command, check_health)

        redis.connection.AbstractConnection.send_packed_command = counted  # type: ignore[method-assign]
        try:
            client.post(second.path, data=second.body, headers=dict(second.headers))
        finally:
            redis.connection.AbstractConnection.send_packed_command = before  # type: ignore[method-assign]
        services.omi.close()
    return Row("I2", "Redis round trips per accepted SMS, job hint included", "1", str(len(trips)), len(trips) == 1)


def deliver_cpu(size: Size, latency_ms: float = 50.0) -> Row:
    """W1: CPU of a worker per delivery, in proportion to a bare loop of session.post."""
    ratios = []
    for _ in range(max(2, size.rounds - 2)):
        with bench(latency_ms, WORKER_SLOTS="64") as run_:
            ours = _worker_cpu(run_, size.deliveries)
            count = min(size.deliveries, 200)
            run_.spawn("loop", [sys.executable, "-m", "benchmarks.loop", run_.stub_url, "1"])
            start = _ended(run_.stack.processes.pop("loop"))
            run_.spawn("loop", [sys.executable, "-m", "benchmarks.loop", run_.stub_url, str(count)])
            ratios.append(ours / ((_ended(run_.stack.processes.pop("loop")) - start) / (count - 1)))
    met = statistics.median(ratios) <= 1.5
    return Row("W1", f"CPU per delivery ÷ a bare loop of session.post, {latency_ms:g} ms", "≤ 1.5", spread(ratios), met)


def deliver_against_stock_rq(size: Size) -> Row:
    """W3: CPU of a worker per delivery, in proportion to RQ's own worker with a job that posts."""
    ratios = []
    for _ in range(max(2, size.rounds - 2)):
        with bench(0.0, WORKER_SLOTS="64") as run_:
            ours = _worker_cpu(run_, size.deliveries)
            count = 40
            queue = Queue("stock", connection=redis.Redis.from_url(run_.stack.env["REDIS_URL"]))
            for number in range(count):
                queue.enqueue(deliver, number, result_ttl=0)
            command = [str(Path(sys.executable).parent / "rq"), "worker", "--burst", "--quiet", "stock"]
            run_.spawn("rq", [*command, "--url", run_.stack.env["REDIS_URL"]],
                       STUB_URL=run_.stub_url, PYTHONPATH=str(ROOT))  # fmt: skip
            ratios.append(ours / (_ended(run_.stack.processes.pop("rq")) / count))
            queue.connection.close()
    middle = statistics.median(ratios)
    shown = f"1/{1 / middle:.1f} ({min(ratios):.3f}–{max(ratios):.3f})"
    return Row("W3", "CPU per delivery ÷ stock RQ worker, 0 ms", "≤ 1/20", shown, middle <= 1 / 20)


def end_to_end(size: Size, rate: float = 20.0) -> list[Row]:
    """E1 and I3: texts at random moments; from the moment at which each should have been sent."""
    with bench(0.0) as run_:
        services = run_.services()
        count = int(rate * size.seconds)
        for number in range(count):
            services.installations.add(f"e-{number}", now=services.clock())
            services.installations.link_phone(f"e-{number}", f"+1555{number:07d}")
        for name in ("web", "worker"):
            run_.stack.start(name)
        run_.until(lambda: answers(f"{run_.stack.web_url}/livez"))
        run_.until(lambda: requests.get(f"{run_.stack.web_url}/readyz", timeout=5).json()["workers"] > 0)
        spec = next(spec for spec in registry.specs().values() if "sms" in spec.channels)
        assert spec.sender is not None
        sender, base = spec.sender(run_.stack.env), run_.stack.env["PUBLIC_BASE_URL"]
        texts = [sender.compose(SampleMessage(sender=f"+1555{n:07d}", to="", text="x", event_id=f"SM{secrets.token_hex(16)}"), base)
                 for n in range(count)]  # fmt: skip
        dice, at, due = random.Random(1), time.time() + 1, []  # noqa: S311 - a load
        for _ in range(count):
            at += dice.expovariate(rate)
            due.append(at)
        answered = [0.0] * count
        hands = [
            threading.Thread(target=_send_some, args=(int(run_.stack.env["PORT"]), texts, due, answered, n, 16))
            for n in range(16)
        ]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
        arrived = run_.until(lambda: found if len(found := run_.seen() or []) >= count else None)
    moments = {uid: when for when, uid, _ in arrived}
    taken = sorted((answered[n] - due[n]) * 1000 for n in range(count))
    through = sorted((moments[f"e-{n}"] - due[n]) * 1000 for n in range(count))
    half, late = count // 2, int(count * 0.99) - 1
    ratio = taken[late] / taken[half]
    return [
        Row("I3", f"p99 ÷ p50 of accepting, {rate:g}/s at random", "≤ 5", f"{ratio:.1f} ({taken[half]:.1f} → {taken[late]:.1f} ms)", ratio <= 5),
        Row("E1", f"webhook sent → call to Omi begins, {rate:g}/s, quiet window 0", "p99 ≤ 25 ms", f"p50 {through[half]:.1f}, p99 {through[late]:.1f} ms", through[late] <= 25),
    ]  # fmt: skip


def retries(count: int = 40) -> Row:
    """R1: 429 with Retry-After of 2 to 5 s: never early, and how late."""
    with bench(0.0) as run_:
        fill(run_.services(), (f"wait-{2 + number % 4}-{number}" for number in range(count)))
        run_.stack.start("worker")

        def all_in() -> list[list[Any]] | None:
            rows = run_.seen() or []
            return rows if sum(row[2] == 200 for row in rows) >= count else None

        seen = run_.until(all_in)
    first = {uid: when for when, uid, status in seen if status == 429}
    late = sorted((when - first[uid] - int(uid.split("-")[1])) * 1000 for when, uid, status in seen if status == 200)
    worst = late[int(len(late) * 0.99) - 1]
    early = sum(value < 0 for value in late)
    return Row(
        "R1",
        "retries after 429: early; late p99",
        "0; ≤ 300 ms",
        f"{early}; {worst:.0f} ms",
        early == 0 and worst <= 300,
    )


def calls_per_message() -> Row:
    """Q1: calls to Omi per message on the traces, with the default windows."""
    found = {}
    for path in sorted((ROOT / "benchmarks" / "traces").glob("*.jsonl")):
        rows = trace.read(path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = run.simulate(rows, Rules(), run.Quota()).calls_per_message
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    return Row("Q1", "calls to Omi per message on the traces", "≤ 0.4", shown, max(found.values()) <= 0.4)


# --- helpers ------------------------------------------------------------------------------------------------


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.ConnectionError:
        return False


def _spent(pid: int, act: Any) -> float:
    before = cpu_seconds(pid)
    act()
    return cpu_seconds(pid) - before


def _ended(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process that runs to its end, with everything below it."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("a reference ended badly")
    return usage.ru_utime + usage.ru_stime


def _worker_cpu(run_: Bench, count: int) -> float:
    """CPU seconds per delivery between the first tenth and the end."""
    services = run_.services()
    fill(services, (f"u-{number}" for number in range(count)))
    run_.stack.start("worker")
    pid = run_.stack.processes["worker"].pid

    def done() -> int:
        return len(run_.seen() or [])

    run_.until(lambda: done() >= count // 10)
    began, before = done(), cpu_seconds(pid)
    run_.until(lambda: done() >= count)
    spent = cpu_seconds(pid) - before
    run_.stack.stop_one("worker")
    services.omi.close()
    return spent / (count - began)


def _send_some(
    port: int, texts: list[OutgoingRequest], due: list[float], answered: list[float], first: int, step: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(first, len(texts), step):
        time.sleep(max(0.0, due[number] - time.time()))
        connection.request("POST", texts[number].path, body=texts[number].body, headers=dict(texts[number].headers))
        connection.getresponse().read()
        answered[number] = time.time()
    connection.close()
