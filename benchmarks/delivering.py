"""What it costs to deliver: W1, W3, W4; and what waiting costs: R1, R2, P1."""

from __future__ import annotations

import secrets
import statistics
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from rq import Queue

from benchmarks.harness import ROOT, Row, Size, bench, ended, fill, memory_bytes, ours, percentile, spread
from benchmarks.rq_job import deliver
from integration_app import bootstrap
from integration_app.store import due
from integration_app.store.due import HINT_REPEAT_MS
from integration_app.store.scripts import load

HERE = Path(__file__).parent


def deliver_cpu(size: Size, latency_ms: float = 50.0) -> list[Row]:
    """W1: CPU of a worker per delivery, in proportion to a bare loop of session.post."""
    ratios: dict[str, list[float]] = {"threads": [], "gevent": []}
    for _ in range(size.rounds):
        for kind, found in ratios.items():
            with bench(latency_ms, WORKER_CLASS=kind) as run_:
                mine = ours(run_, size.deliveries)
                count = size.deliveries // 5
                run_.spawn("loop", [sys.executable, "-m", "benchmarks.loop", run_.stub_url, "1"])
                start = ended(run_.stack.processes.pop("loop"))
                run_.spawn("loop", [sys.executable, "-m", "benchmarks.loop", run_.stub_url, str(count)])
                found.append(mine / ((ended(run_.stack.processes.pop("loop")) - start) / (count - 1)))
    rows = []
    for kind, target in (("gevent", 1.0), ("threads", 1.5)):
        what = f"CPU per delivery ÷ a bare loop of session.post, {latency_ms:g} ms, {kind}"
        met = statistics.median(ratios[kind]) <= target
        rows.append(Row("W1", what, f"≤ {target:g}", spread(ratios[kind]), met))
    return rows


def deliver_against_stock_rq(size: Size) -> Row:
    """W3: CPU of a worker per delivery, in proportion to RQ's own worker with a job that posts."""
    ratios = []
    for _ in range(size.rounds):
        with bench(0.0) as run_:
            mine = ours(run_, size.deliveries)
            count = 40
            queue = Queue("stock", connection=redis.Redis.from_url(run_.stack.env["REDIS_URL"]))
            for number in range(count):
                queue.enqueue(deliver, number, result_ttl=0)
            command = [str(Path(sys.executable).parent / "rq"), "worker", "--burst", "--quiet", "stock"]
            run_.spawn("rq", [*command, "--url", run_.stack.env["REDIS_URL"]],
                       env={"STUB_URL": run_.stub_url, "PYTHONPATH": str(ROOT)})  # fmt: skip
            ratios.append(mine / (ended(run_.stack.processes.pop("rq")) / count))
            queue.connection.close()
    middle = statistics.median(ratios)
    shown = f"1/{1 / middle:.0f} ({min(ratios):.3f}–{max(ratios):.3f})"
    return Row("W3", "CPU per delivery ÷ stock RQ worker, 0 ms", "≤ 1/20", shown, middle <= 1 / 20)


def memory_in_flight(size: Size) -> list[Row]:
    """W4: how much a worker grows for each delivery more that is in flight, thread and connection included."""
    few, many = 50, 450
    rows = []
    for tls, limit in ((False, 48), (True, 128)):
        grown = []
        for _ in range(max(1, size.rounds // 2)):
            small, large = (_memory(count, tls=tls) for count in (few, many))
            grown.append((large - small) / (many - few) / 1024)
        what = f"memory (PSS) per delivery more in flight, {'TLS' if tls else 'plain'}"
        shown = f"{statistics.median(grown):.0f} KiB ({min(grown):.0f}–{max(grown):.0f})"
        rows.append(Row("W4", what, f"≤ {limit} KiB", shown, statistics.median(grown) <= limit))
    return rows


def _memory(count: int, *, tls: bool) -> int:
    """Bytes of a worker with `count` slots, all of which have a call in flight."""
    with bench(6000.0, tls=tls, WORKER_SLOTS=str(count)) as run_:
        services = run_.services()
        fill(services, (f"m-{number}" for number in range(count)))
        run_.stack.start("worker")
        run_.until(lambda: run_.count() >= count)
        found = memory_bytes(run_.stack.processes["worker"].pid)
        run_.stack.kill("worker")  # it would wait for what is in flight
        services.omi.close()
    return found


def retries(count: int = 40) -> Row:
    """R1: 429 with Retry-After of 2 to 5 s: never early, and how late."""
    with bench(0.0) as run_:
        fill(run_.services(), (f"wait-{2 + number % 4}-{number}" for number in range(count)))
        run_.stack.start("worker")
        run_.until(lambda: run_.count() >= 2 * count)
        seen = run_.seen() or []
    first = {uid: when for when, uid, status in seen if status == 429}
    late = [(when - first[uid] - int(uid.split("-")[1])) * 1000 for when, uid, status in seen if status == 200]
    worst, early = percentile(late, 0.99), sum(value < 0 for value in late)
    met = early == 0 and worst <= 300
    return Row("R1", "retries after 429: early; late p99", "0; ≤ 300 ms", f"{early}; {worst:.0f} ms", met)


def outage(size: Size) -> Row:
    """R2: ten minutes of 429 for everybody. The clock is turned by hand, second by second; all else is real."""
    users, limit = (2000 if size.rounds > 2 else 300), 100
    now = [datetime(2026, 11, 20, 14, 0, tzinfo=UTC)]
    with bench(0.0, OMI_MAX_REQUESTS_PER_MINUTE=str(limit)) as run_:
        run_.services().omi.close()
        services = bootstrap.build(clock=lambda: now[0])
        fill(services, (f"o-{number}" for number in range(users)))
        services.jobs.rq.empty()
        run_.ask("/refuse/on")
        calls, during = [0], 0
        for second in range(6 * 3600):
            if second == 600:
                during = run_.count()
                run_.ask("/refuse/off")
            now[0] += timedelta(seconds=1)
            for uid in services.due.promote(now=now[0], repeat_ms=HINT_REPEAT_MS, limit=200):
                services.drain.run(uid)
            calls.append(run_.count())
            if second > 600 and services.due.oldest() is None:
                break
        delivered = sum(status == 200 for _, _, status in run_.seen() or [])
        services.omi.close()
    peak = max(calls[end] - calls[end - 60] for end in range(660, len(calls)))
    met = during <= 50 and peak / limit <= 1.05 and delivered == users
    shown = f"{during}; {peak / limit:.2f}, all {delivered} delivered after {(len(calls) - 600) / 60:.0f} min"
    return Row(
        "R2",
        f"10 minutes of 429 for {users:,} users: calls meanwhile; peak per minute afterwards ÷ limit",
        "≤ 50; ≤ 1.05",
        shown,
        met,
    )


def promoting(count: int = 100_000) -> Row:
    """P1: how long it takes until so many outboxes that are due all have a job in RQ."""
    with bench() as run_:
        services = run_.services()
        client = redis.Redis.from_url(run_.stack.env["REDIS_URL"])
        now = services.clock()
        past = int(now.timestamp() * 1000) - 1000
        pipe = client.pipeline(transaction=False)
        for number in range(count):
            pipe.zadd("oi:due", {f"p-{number}": past})
        pipe.execute()
        promote = load(client, "promote_and_enqueue", {**due.CONSTANTS, **services.jobs.constants}, HERE)
        began = datetime.now(UTC)
        worst = 0.0
        while services.jobs.length() < count:
            before = datetime.now(UTC)
            promote(now_ms=int(now.timestamp() * 1000), salt=secrets.token_hex(14), stamp=services.jobs.stamp(now))
            worst = max(worst, (datetime.now(UTC) - before).total_seconds())
        seconds = (datetime.now(UTC) - began).total_seconds()
        client.close()
        services.omi.close()
    shown = f"{seconds:.2f} s, 250 at a time in {worst * 1000:.0f} ms at the most"
    return Row("P1", f"{count:,} due outboxes become RQ jobs", "≤ 1 s", shown, seconds <= 1)
