"""What grows with the number of users and of waiting messages: S1."""

from __future__ import annotations

import os
import random
import secrets
import threading
from typing import Any

import redis

from benchmarks.harness import Bench, Row, Size, bench, cpu_seconds
from integration_app.bootstrap import Services
from integration_app.model import Content, InboundMessage, Route
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from workers.concurrent import ConcurrentWorker

_WAITING = """
-- KEYS: none · ARGV: first, how many, envelope, prepared, due ms, installations
for number = tonumber(ARGV[1]), tonumber(ARGV[1]) + tonumber(ARGV[2]) - 1 do
  local id, uid = 'w' .. number, 'g-' .. number % tonumber(ARGV[6])
  local seq = redis.call('INCR', 'oi:seq')
  redis.call('HSET', 'oi:message:' .. id, 'envelope', ARGV[3], 'prepared', ARGV[4], 'seq', seq, 'pending', 1,
    'state:' .. uid, 'waiting')
  redis.call('RPUSH', 'oi:story:' .. id, '{"at":"2026-11-20T08:00:00+00:00","event":"received","uids":["' .. uid .. '"]}')
  redis.call('ZADD', 'oi:messages', 1, id)
  redis.call('ZADD', 'oi:of:waiting-' .. number % 100000, seq, id)
  redis.call('ZADD', 'oi:outbox:waiting-' .. number % 100000, seq, id)
  redis.call('ZADD', 'oi:due', ARGV[5], 'waiting-' .. number % 100000)
end
"""
"""Messages of other users, due in a year: what a fleet looks like that waits for quotas."""


def growth(size: Size) -> list[Row]:
    """S1: CPU per message, accepting and delivering, Redis included, as users and waiting messages grow."""
    rows = []
    for what, counts in (("installations", size.installations), ("waiting messages", size.waiting)):
        found, bytes_each = {}, 0.0
        for count in counts:
            installations, waiting = (count, 0) if what == "installations" else (1000, count)
            found[count], bytes_each = _per_message(installations, waiting, size.deliveries)
        least = min(found.values())
        shown = ", ".join(f"{count:,}: {value / least:.2f}" for count, value in found.items())
        worst = max(found.values()) / least
        if what != "installations":
            shown += f"; {bytes_each:,.0f} bytes each"
        rows.append(Row("S1", f"CPU per message by {what}, ÷ the least", "within 1.3", shown, worst <= 1.3))
    return rows


def _per_message(installations: int, waiting: int, count: int) -> tuple[float, float]:
    """CPU seconds per message, of this process and of Redis; and the bytes that each waiting message takes."""
    with bench(0.0) as run_:
        services = run_.services()
        client = redis.Redis.from_url(run_.stack.env["REDIS_URL"], socket_timeout=60)
        client.config_set("auto-aof-rewrite-percentage", 0)  # what filling costs afterwards is not what a message costs
        _install(client, installations)
        before = _memory(client)
        _wait(client, services, waiting)
        each = (_memory(client) - before) / waiting if waiting else 0.0
        best = min(_round(run_, services, installations, count, number) for number in range(3))
        client.close()
        services.omi.close()
    return best, each


def _round(run_: Bench, services: Services, installations: int, count: int, number: int) -> float:
    """The same messages for as many different users, accepted one by one, then delivered."""
    dice = random.Random(number)  # noqa: S311 - a load
    chosen = dice.sample(range(installations), min(count, installations))
    own, server = cpu_seconds(os.getpid()), cpu_seconds(run_.stack.processes["valkey"].pid)
    for user in chosen:
        now = services.clock()
        services.intake.accept(
            InboundMessage(
                provider="bench", event_id=secrets.token_hex(8), dedupe_keys=(secrets.token_hex(8),), channel="sms",
                route=Route.SENDER, sender=f"+1555{user:07d}", received_at=now, content=Content(text="x" * 80),
            )
        )  # fmt: skip
    name = f"growth-{number}"
    ConcurrentWorker(services, slots=16, name=name, stop=threading.Event(), grace=5).run(burst=True)
    spent = cpu_seconds(os.getpid()) - own + cpu_seconds(run_.stack.processes["valkey"].pid) - server
    return spent / len(chosen)


def _install(client: Any, count: int) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(count):
        uid, phone = f"g-{number}", f"+1555{number:07d}"
        made = {"inbox_token": f"t{number:015d}", "state": "enabled", "created_at": "2026-11-20T08:00:00+00:00"}
        pipe.hset(keys.installation(uid), mapping=made)
        pipe.sadd(keys.INSTALLATIONS, name_of(uid))
        pipe.sadd(keys.phone(phone), name_of(uid))
        pipe.sadd(keys.phones(uid), phone)
        if number % 1000 == 999:
            pipe.execute()
    pipe.execute()


def _wait(client: Any, services: Services, count: int) -> None:
    now = services.clock()
    message = InboundMessage(
        provider="bench", event_id=secrets.token_hex(8), dedupe_keys=(secrets.token_hex(8),), channel="sms",
        route=Route.SENDER, sender="+15550001111", received_at=now, content=Content(),
    )  # fmt: skip
    prepared = '{"text":"' + "x" * 80 + '","kind":"conversation","tags":[]}'
    due = codec.ms(now) + 365 * 24 * 3600 * 1000
    for first in range(0, count, 5000):
        client.eval(_WAITING, 0, first, min(5000, count - first), codec.dump_envelope(message), prepared, due, 1000)


def _memory(client: Any) -> int:
    return int(client.info("memory")["used_memory"])
