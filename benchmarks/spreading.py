"""N1: users over several primaries: what a text costs each part of the whole. Throughput is not measured: two cores cannot
run four primaries side by side, so it is the CPU of the busiest primary that says how many texts they would take together.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import redis

from benchmarks.harness import Bench, Row, Size, bench, cpu_seconds
from integration_app.bootstrap import Services
from integration_app.local import valkey
from integration_app.local.ports import free_port
from integration_app.model import Content, InboundMessage, Route

COUNTS = (1, 2, 4)


def spread_out(size: Size) -> Row:
    """N1: CPU per text, in ms: of the busiest primary, of accepting, of the worker."""
    texts = size.deliveries * 2
    found = {count: _costs(count, texts) for count in COUNTS}
    shown = "; ".join(
        f"{count}: {busiest * 1000:.2f} ({1 / busiest:,.0f} texts/s), {accept * 1000:.2f}, {worker * 1000:.2f}"
        for count, (busiest, accept, worker) in found.items()
    )
    what = "primaries: CPU ms per text of the busiest (texts a second at which it is full), of accepting, of the worker"
    return Row("N1", what, "stated", shown, met=True)


def _costs(count: int, texts: int) -> tuple[float, float, float]:
    with bench() as run_:
        clients = [_primary(run_, number) for number in range(count)]
        urls = " ".join(f"redis://127.0.0.1:{client.get_connection_kwargs()['port']}/0" for client in clients)
        run_.stack.env |= {"REDIS_URL": "", "REDIS_URLS": urls, "RQ_REDIS_URL": run_.stack.env["REDIS_URL"]}
        services = run_.services()
        services.identity.init(now=services.clock())
        for number in range(texts):
            services.installations.add(f"n-{number}", now=services.clock())
            services.installations.link_phone(f"n-{number}", f"+1555{number:07d}")
        before = list(map(_cpu, clients))
        began = time.process_time()
        for number in range(texts):
            _accept(services, f"+1555{number:07d}")
        accepting = (time.process_time() - began) / texts
        run_.stack.start("worker")
        run_.until(lambda: run_.count() >= texts)
        worker = cpu_seconds(run_.stack.processes["worker"].pid) / texts
        busiest = max(_cpu(client) - then for client, then in zip(clients, before, strict=True)) / texts
        run_.stack.stop_one("worker")
        services.omi.close()
    return busiest, accepting, worker


def _primary(run_: Bench, number: int) -> redis.Redis:
    folder = Path(run_.stack.folder) / f"primary-{number}"
    folder.mkdir()
    port = free_port(0)
    options = valkey.durable(folder) | {"port": str(port), "bind": "127.0.0.1"}
    run_.spawn(f"primary-{number}", valkey.command(valkey.server_path(valkey.EMBEDDED), options))
    client = redis.Redis("127.0.0.1", port)
    run_.until(lambda: _answers(client))
    return client


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _cpu(client: redis.Redis) -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _accept(services: Services, phone: str) -> None:
    services.intake.accept(
        InboundMessage(
            provider="bench", event_id=secrets.token_hex(8), dedupe_keys=(secrets.token_hex(8),), channel="sms",
            route=Route.SENDER, sender=phone, received_at=services.clock(), content=Content(text="x" * 80),
        )
    )  # fmt: skip
