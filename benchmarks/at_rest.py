"""What lies in Redis, in bytes: a message that waits (M1), one that was delivered (M2), a known id (M3), an installation (M4)."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from benchmarks.harness import Bench, Row, bench
from integration_app.bootstrap import Services
from integration_app.model import Content, InboundMessage, Route
from integration_app.store import keys, packed

USERS, EACH = 100, 30
COUNT, _ROUNDS = USERS * EACH, 6
_HOUR_MS = 3_600_000
_CHARACTERS = 100
_WORDS = re.findall(
    r"\w+",
    "the a to and of in is it you that was for on are with as they be at one have this from or had by not but "
    "some what there we can out other were all your when up use word how said each she which do their time if "
    "will way about many then them would write like so these her long make thing see him two has look more "
    "day could go come did my sound no most number who over know water than call first people may down side "
    "been now find any new work part take get place made live where after back little only round man year "
    "came show every good me give our under name very through just milk dentist Friday train ticket meeting "
    "call Sam lunch at noon buy bread kids school bring the red folder tomorrow",
)


def stored_bytes() -> list[Row]:
    """M1 to M4: growth of what Redis uses, per thing, encrypted; of 30 texts each for a hundred users."""
    return [*_waiting(), *_delivered()]


def _waiting() -> list[Row]:
    with _begun() as (services, client, _):
        before = _used(client)
        _install(services, USERS, 2 * USERS)
        installed = (_used(client) - before) / USERS
        before, known = _used(client), _kinds(client)
        _accept(services, USERS, EACH, first=USERS)
        waiting, by_kind = (_used(client) - before) / COUNT, _told(_kinds(client) - known)
    what = f"bytes per waiting text of {_CHARACTERS} characters"
    return [
        Row("M1", what, "≤ 900", f"{waiting:.0f} ({by_kind})", waiting <= 900),
        Row("M4", "bytes per installation with one phone", "stated", f"{installed:.0f}", met=True),
    ]


def _delivered() -> list[Row]:
    """As they come: some are delivered, and an hour later come the next. What expires within that hour has gone."""
    with _begun() as (services, client, run_):
        _install(services, USERS, 2 * USERS)
        before, known = _used(client), _kinds(client)
        for _ in range(_ROUNDS):
            _accept(services, USERS, EACH // _ROUNDS, first=USERS)
            _deliver(run_, services)
            client.delete(keys.PACKED_TO)
            for _ in range(COUNT // _ROUNDS // 500 + 2):
                client.delete(keys.turn(packed.KIND))
                services.inbox.pack(now=services.clock() + packed.PACKED_AFTER)
            for key in client.scan_iter(count=1000):
                if 0 < client.pttl(key) <= _HOUR_MS:
                    client.delete(key)
        kept = _kinds(client) - known
        delivered, ids = (_used(client) - before) / COUNT, (kept["seen-in"] + kept["seen-plan"]) / COUNT
    return [
        Row("M2", "bytes per delivered one", "≤ 500", f"{delivered:.0f} ({_told(kept)})", delivered <= 500),
        Row("M3", "bytes per known id", "≤ 60", f"{ids:.0f}", ids <= 60),
    ]


@contextmanager
def _begun() -> Iterator[tuple[Services, Any, Bench]]:
    """A store that has scripts, counters and a hundred other users already."""
    with bench(0.0, DATA_KEYS=secrets.token_hex(32), SMS_QUIET_SECONDS="5", SMS_MAX_WAIT_SECONDS="60") as run_:
        services = run_.services()
        _install(services, 0, USERS)
        _accept(services, USERS, 1)
        _deliver(run_, services)
        yield services, redis.Redis.from_url(run_.stack.env["REDIS_URL"]), run_
        services.omi.close()


def _told(kinds: Counter[str]) -> str:
    return ", ".join(f"{name} {size / COUNT:.0f}" for name, size in kinds.most_common(7))


def _deliver(run_: Bench, services: Services) -> None:
    run_.stack.start("worker")
    run_.until(lambda: services.due.oldest() is None)
    run_.stack.stop_one("worker")


def _install(services: Services, first: int, end: int) -> None:
    for number in range(first, end):
        uid = base64.urlsafe_b64encode(hashlib.sha256(b"%d" % number).digest()).decode()[:28]  # as long as Omi's
        services.installations.add(uid, now=services.clock())
        services.installations.link_phone(uid, f"+1555{number:07d}")


def _accept(services: Services, users: int, each: int, first: int = 0) -> None:
    dice = random.Random(1)  # noqa: S311 - a load
    now = services.clock()
    for _ in range(each):
        for number in range(first, first + users):
            text = ""
            while len(text) < _CHARACTERS:
                text += dice.choice(_WORDS) + " "
            event_id = f"SM{secrets.token_hex(16)}"
            services.intake.accept(
                InboundMessage(
                    provider="twilio", event_id=event_id, dedupe_keys=(f"twilio:{event_id}",), channel="sms",
                    route=Route.SENDER, sender=f"+1555{number:07d}", recipients=("+15550009999",),
                    received_at=now, content=Content(text=text[:_CHARACTERS]),
                )
            )  # fmt: skip


def _used(client: Any) -> int:
    return int(client.info("memory")["used_memory"])


def _kinds(client: Any) -> Counter[str]:
    """Bytes by kind of key, as Redis estimates them."""
    found: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        parts = key.decode(errors="replace").split(":")
        found[parts[1] if parts[0] == "oi" else parts[0]] += client.memory_usage(key, samples=0) or 0
    return found
