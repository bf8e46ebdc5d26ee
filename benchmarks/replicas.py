"""What `ACK_REPLICAS=1` costs to accept and to deliver: A1."""

from __future__ import annotations

import time

import redis

from benchmarks.harness import PHONE, Bench, Row, Size, answers, bench, ours, post_all, signed, spread
from integration_app.local.stack import EMBEDDED, free_port, server_path


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
