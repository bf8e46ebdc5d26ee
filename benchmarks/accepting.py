"""What it costs to accept: I1, I2, I3; and how long it takes from the webhook to Omi: E1."""

from __future__ import annotations

import gc
import random
import secrets
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import redis
import requests

from benchmarks.harness import (
    PHONE,
    TICKS,
    Bench,
    Row,
    Size,
    answers,
    bench,
    cpu_seconds,
    percentile,
    post_all,
    send_some,
    signed,
    spent,
    spread,
    tree_memory,
)
from integration_app.bootstrap import system_clock
from integration_app.local.ports import free_port
from integration_app.providers import registry
from integration_app.providers.base import OutgoingRequest, SampleMessage
from integration_app.web.app import create_app

OTHERS = 1_000_000
"""From this number on, phones are those of the measured users."""


def accept_cpu(size: Size) -> list[Row]:
    """I1: CPU per accepted signed text, in proportion to Flask saying hello under the same gunicorn."""
    found = []
    for kind in ("gthread", "gevent"):
        ratios = _accept_ratios(size, kind)
        middle = statistics.median(ratios)
        name = f"CPU per accepted signed SMS ÷ Flask hello, same gunicorn ({kind})"
        found.append(Row("I1", name, "≤ 1.8", spread(ratios), middle <= 1.8))
    return found


def _accept_ratios(size: Size, kind: str) -> list[float]:
    ratios = []
    with bench(WEB_WORKER_CLASS=kind) as run_:
        _installed(run_, "u", PHONE)
        run_.stack.start("web")
        port, hello = int(run_.stack.env["PORT"]), free_port(0)
        command = ["gunicorn", "--config", "python:integration_app.web.gunicorn_conf", "benchmarks.hello:app"]
        env = {"PORT": str(hello), "WEB_HOST": "127.0.0.1", "WEB_WORKER_CLASS": kind}
        env["WEB_CONCURRENCY"] = run_.stack.env["WEB_CONCURRENCY"]
        run_.spawn("hello", [str(Path(sys.executable).parent / command[0]), *command[1:]], env=env)
        for url in (f"{run_.stack.web_url}/livez", f"http://127.0.0.1:{hello}/"):
            run_.until(lambda url=url: answers(url))
        for number in range(size.rounds + 1):
            sent = signed(run_.stack, size.requests)
            ours = spent(run_.stack.processes["web"].pid, lambda sent=sent: post_all(port, sent))
            theirs = spent(run_.stack.processes["hello"].pid, lambda sent=sent: post_all(hello, sent, "/"))
            if number:  # the first round warms up
                ratios.append(ours / max(theirs, 1 / TICKS))
    return ratios


def accept_round_trips() -> Row:
    """I2: round trips to Redis for one accepted text, counted at the connection."""
    with bench() as run_:
        services = _installed(run_, "u", PHONE)
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


def end_to_end(size: Size) -> list[Row]:
    """E1 and I3: texts at random moments, at half of what this machine can do; from when each should have been sent."""
    with bench(0.0) as run_:
        for name in ("web", "worker"):
            run_.stack.start(name)
        run_.until(lambda: answers(f"{run_.stack.web_url}/livez"))
        run_.until(lambda: requests.get(f"{run_.stack.web_url}/readyz", timeout=5).json().get("workers", 0) > 0)
        capacity = _capacity(run_, max(size.requests // 2, 600))
        rate = capacity / 2
        count = int(rate * size.seconds)
        users(run_, "e", count, OTHERS)
        prepared = texts(run_, count, OTHERS)
        before = run_.count()
        due = _moments(count, rate)
        answered = _send_all(run_, prepared, due)
        run_.until(lambda: run_.count() >= before + count)
        moments = {uid: when for when, uid, _ in run_.seen() or []}
        hop = _bare_hop(run_, 300, rate)
    taken = [(answered[n] - due[n]) * 1000 for n in range(count)]
    through = [(moments[f"e-{n}"] - due[n]) * 1000 for n in range(count)]
    half, late = percentile(taken, 0.5), percentile(taken, 0.99)
    ratio = late / half
    p50, p99 = percentile(through, 0.5), percentile(through, 0.99)
    load = f"{rate:.0f}/s at random, half of capacity"
    return [
        Row("I3", f"p99 ÷ p50 of accepting, {load}", "≤ 4", f"{ratio:.1f} ({half:.1f} → {late:.1f} ms)", ratio <= 4),
        Row(
            "E1",
            f"webhook sent → call to Omi begins, {load}, quiet window 0",
            "p99 ≤ 15 ms; ≤ 4 bare list hops",
            f"p50 {p50:.1f}, p99 {p99:.1f} ms; p99 ÷ p99 of a hop ({hop:.1f} ms) {p99 / hop:.1f}",
            p99 <= 15 and p99 / hop <= 4,
        ),
    ]


def costs(size: Size) -> list[Row]:
    """C1, V1: what one text costs in all, from the webhook to Omi; the figures that docs/operations.md sizes with."""
    names = ("web", "worker", "valkey")
    with bench(50.0) as run_:
        for name in ("web", "worker"):
            run_.stack.start(name)
        run_.until(lambda: answers(f"{run_.stack.web_url}/livez"))
        run_.until(lambda: requests.get(f"{run_.stack.web_url}/readyz", timeout=5).json().get("workers", 0) > 0)
        count = size.requests
        users(run_, "e", count)
        sent = texts(run_, count)
        pids = {name: run_.stack.processes[name].pid for name in names}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        post_all(int(run_.stack.env["PORT"]), sent)
        run_.until(lambda: run_.count() >= count)
        spent_ = {name: (cpu_seconds(pid) - before[name]) / count * 1000 for name, pid in pids.items()}
        memory = {name: tree_memory(pid) / 2**20 for name, pid in pids.items()}
    shown = ", ".join(f"{name} {spent_[name]:.2f} ms, {memory[name]:.0f} MB" for name in names)
    redis_ms = spent_["valkey"]
    return [
        Row("C1", "CPU per text, and memory of the processes", "stated", shown, met=True),
        Row(
            "V1", "CPU of Redis per text, from the webhook to Omi", "≤ 0.15 ms", f"{redis_ms:.2f} ms", redis_ms <= 0.15
        ),
    ]


def _installed(run_: Bench, uid: str, phone: str) -> Any:
    services = run_.services()
    services.installations.add(uid, now=services.clock())
    services.installations.link_phone(uid, phone)
    return services


def users(run_: Bench, name: str, count: int, first: int = 0) -> None:
    services = run_.services()
    for number in range(count):
        services.installations.add(f"{name}-{number}", now=services.clock())
        services.installations.link_phone(f"{name}-{number}", f"+1555{first + number:07d}")
    services.omi.close()


def texts(run_: Bench, count: int, first: int = 0) -> list[OutgoingRequest]:
    spec = registry.for_channel("sms")
    assert spec.sender is not None
    sender, base = spec.sender(run_.stack.env), run_.stack.env["PUBLIC_BASE_URL"]
    return [
        sender.build_request(
            SampleMessage(sender=f"+1555{first + number:07d}", to="", text="x", event_id=f"SM{secrets.token_hex(16)}"),
            base,
            system_clock(),
        )
        for number in range(count)
    ]


def _moments(count: int, rate: float) -> list[float]:
    """When each is to be sent: as independent callers would."""
    dice, at, due = random.Random(1), time.time() + 1, []  # noqa: S311 - a load
    for _ in range(count):
        at += dice.expovariate(rate)
        due.append(at)
    return due


def _send_all(run_: Bench, texts: list[OutgoingRequest], due: list[float], hands: int = 16) -> list[float]:
    answered = [0.0] * len(texts)
    gc.collect()
    gc.freeze()  # the load is to come when it should
    port = int(run_.stack.env["PORT"])
    threads = [threading.Thread(target=send_some, args=(port, texts, due, answered, n, hands)) for n in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered


def _capacity(run_: Bench, count: int) -> float:
    """Texts per second from webhook to Omi, when they come as fast as they are answered."""
    users(run_, "c", count)
    began, before = time.time(), run_.count()
    _send_all(run_, texts(run_, count), [0.0] * count)
    run_.until(lambda: run_.count() >= before + count)
    return count / (time.time() - began)


def _bare_hop(run_: Bench, count: int, rate: float) -> float:
    """p99 of a message through a bare Redis list to another process, in ms, at the same rate."""
    url = run_.stack.env["REDIS_URL"]
    run_.spawn("hop", [sys.executable, "-m", "benchmarks.hop", url, str(count)])
    client = redis.Redis.from_url(url)
    run_.until(lambda: client.exists("hop:ready"))
    due = _moments(count, rate)
    for moment in due:
        time.sleep(max(0.0, moment - time.time()))
        client.lpush("hop:list", str(moment))
    try:
        run_.stack.processes.pop("hop").wait(30)
    except subprocess.TimeoutExpired:
        raise RuntimeError("the hop does not come to an end") from None
    late = [float(value) * 1000 for value in client.lrange("hop:late", 0, -1)]
    client.close()
    return percentile(late, 0.99)
