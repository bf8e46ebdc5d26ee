"""What promises cost to accept and to deliver: `ACK_REPLICAS=1` (A1), sealing at rest (A2)."""

from __future__ import annotations

import secrets
import time

import redis

from benchmarks.harness import PHONE, Bench, Row, Size, answers, bench, ours, post_all, signed, spread
from integration_app.local.ports import free_port
from integration_app.local.valkey import EMBEDDED, server_path
from tests.unit.factories import message


def acknowledged(size: Size) -> list[Row]:
    """A1: with one replica in reach, both settings in turn over the same Valkey."""
    accepts, delivers = [], []
    for number in range(size.rounds + 1):
        took, spent = {}, {}
        for wanted in ("0", "1"):
            with bench(ACK_REPLICAS=wanted) as run_:
                _replica(run_)
                took[wanted] = _accepting(run_, size.requests)
                spent[wanted] = ours(run_, size.deliveries)
        if number or size.rounds == 1:  # the first round warms up
            accepts.append(took["1"] / took["0"])
            delivers.append(spent["1"] / spent["0"])
    return [
        Row("A1", "time per accepted SMS, ACK_REPLICAS=1 ÷ 0, one replica", "stated", spread(accepts), met=True),
        Row("A1", "worker's CPU per delivery, ACK_REPLICAS=1 ÷ 0, one replica", "stated", spread(delivers), met=True),
    ]


def sealed(size: Size) -> list[Row]:
    """A2: with and without `DATA_KEYS`, in turn; the bytes of a waiting text of 100 characters too."""
    accepts, delivers, sizes = [], [], []
    keys = {"on": secrets.token_hex(32), "off": ""}
    for number in range(size.rounds + 1):
        took, spent, held = {}, {}, {}
        for name, key in keys.items():
            with bench(DATA_KEYS=key) as run_:
                held[name] = _bytes_of_one(run_)
                took[name] = _accepting(run_, size.requests)
                spent[name] = ours(run_, size.deliveries)
        if number or size.rounds == 1:
            accepts.append(took["on"] / took["off"])
            delivers.append(spent["on"] / spent["off"])
            sizes.append(held["on"] / held["off"])
    return [
        Row("A2", "time per accepted SMS, sealed ÷ not", "stated", spread(accepts), met=True),
        Row("A2", "worker's CPU per delivery, sealed ÷ not", "stated", spread(delivers), met=True),
        Row("A2", "bytes in Redis per waiting text of 100 characters, sealed ÷ not", "stated", spread(sizes), met=True),
    ]


def _bytes_of_one(run_: Bench, count: int = 1000) -> float:
    services = run_.services()
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", PHONE)
    with redis.Redis.from_url(run_.stack.env["REDIS_URL"]) as store:
        before = store.info("memory")["used_memory"]
        for number in range(count):
            arrived = message("x" * 100, sender=PHONE, dedupe_keys=(f"k{number}",), received_at=services.clock())
            services.intake.accept(arrived)
        grown = float(store.info("memory")["used_memory"] - before)
        store.flushall()
    run_.services().identity.init(now=services.clock())
    services.omi.close()
    return grown / count


def _accepting(run_: Bench, count: int) -> float:
    services = run_.services()
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", PHONE)
    run_.stack.start("web")
    run_.until(lambda: answers(f"{run_.stack.web_url}/livez"))
    sent = signed(run_.stack, count)
    post_all(int(run_.stack.env["PORT"]), sent[: count // 10])
    began = time.monotonic()
    post_all(int(run_.stack.env["PORT"]), sent[count // 10 :])
    took = time.monotonic() - began
    run_.stack.stop_one("web")
    services.omi.close()
    with redis.Redis.from_url(run_.stack.env["REDIS_URL"]) as store:
        store.flushall()
    run_.services().identity.init(now=services.clock())
    return took


def _replica(run_: Bench) -> None:
    port, data = free_port(0), run_.stack.folder / "replica"
    data.mkdir()
    primary = redis.Redis.from_url(run_.stack.env["REDIS_URL"])
    at = str(primary.connection_pool.connection_kwargs["port"])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data.resolve()), "--appendonly", "yes"]
    run_.spawn("replica", [server_path(EMBEDDED), *options, "--replicaof", "127.0.0.1", at])
    run_.until(lambda: primary.info("replication").get("slave0", {}).get("state") == "online")
    primary.close()
