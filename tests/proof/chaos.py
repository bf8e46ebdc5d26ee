"""Chaos: thousands of signed texts over HTTP while processes are killed at random, and every id checked at the end.

Real gunicorn, real RQ workers, real Valkey; the sandbox is slow and fails at random. Whoever sends gets no 200 sends
again, as vendors do.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from integration_app import bootstrap, logs
from integration_app.bootstrap import system_clock
from integration_app.cli.samples import send
from integration_app.local import UNLIMITED
from integration_app.local.stack import Stack
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage, Sender
from tests.sandbox_control import SandboxControl

SETTINGS = {
    "MAIL_QUIET_SECONDS": "0",
    "MEMORY_QUIET_SECONDS": "0",
    "SMS_QUIET_SECONDS": "0.5",
    "SMS_MAX_WAIT_SECONDS": "3",
    "OMI_CONNECT_TIMEOUT_SECONDS": "1",
    "OMI_READ_TIMEOUT_SECONDS": "2",
    "OMI_SETTLE_SECONDS": "3",
    "OMI_MAX_REQUESTS_PER_MINUTE": "60000",
    "JOB_TIMEOUT_SECONDS": "4",
    "LEASE_SECONDS": "5",
    "LOG_LEVEL": "error",
    **UNLIMITED,
}
FAULTS = (
    "rate_limited", "error_before", "error_after", "unavailable", "timeout_after", "drop_before", "drop_after",
)  # fmt: skip
FAULT_SHARE = 0.02
LATENCY_SECONDS = 0.3
KILL_EVERY_SECONDS = 5.0
VICTIMS = ("web", "worker", "valkey")
SENDERS = 16


@dataclass(frozen=True, slots=True)
class Chaos:
    """What came of it. `ambiguous`: the ledger itself says that the outcome is unknown."""

    messages: int
    users: int
    kills: dict[str, int]
    lost: int
    doubled: int
    ambiguous: int
    calls: int
    seconds: float


def run(
    messages: int = 5000,
    users: int = 200,
    *,
    over_seconds: float = 150.0,
    boost: float = 60.0,
    say: Callable[[str], None] = print,
) -> Chaos:
    """`over_seconds`: how long the texts keep coming. `boost` multiplies Omi's base quota so that it ends within minutes."""
    logs.configure("text", "critical")
    settings = SETTINGS | {"WEB_CONCURRENCY": "1", "WEB_THREADS": "16", "WORKER_SLOTS": "32"}
    with (
        tempfile.TemporaryDirectory(prefix="omi-inbox-chaos-") as folder,
        Stack(Path(folder), settings=settings) as stack,
    ):
        return play(Scene(stack, users, boost, over_seconds / messages), messages, say)


def play(scene: Scene, messages: int, say: Callable[[str], None]) -> Chaos:
    """Send all of them while processes are killed, run to rest, and count."""
    began = time.monotonic()
    stop = threading.Event()
    killer = threading.Thread(target=scene.kill_at_random, args=(stop,))
    killer.start()
    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(scene.send, range(messages)))
        say(f"{messages} texts accepted after {time.monotonic() - began:.0f} s")
        time.sleep(KILL_EVERY_SECONDS)
    finally:
        stop.set()
        killer.join()
        scene.end()
    scene.run_to_rest(say)
    lost, doubled, ambiguous = scene.count(messages)
    calls, seconds = len(scene.sandbox.calls()), round(time.monotonic() - began, 1)
    return Chaos(messages, len(scene.uids), dict(scene.kills), lost, doubled, ambiguous, calls, seconds)


class Scene:
    def __init__(self, stack: Stack, users: int, boost: float, pause: float, *, sharing: int = 1) -> None:
        """`sharing`: how many users each phone serves."""
        self._sharing = sharing
        self.stack = stack
        self._pause = pause
        self._began = time.monotonic()
        self.kills: Counter[str] = Counter()
        self.uids = [f"user{number}" for number in range(users)]
        env = stack.env
        self.sandbox = SandboxControl(stack.sandbox_url, env["OMI_APP_ID"], env["OMI_API_KEY"])
        self.sandbox.boost(boost)
        self.sandbox.latency(LATENCY_SECONDS)
        self.sandbox.enable(*self.uids)
        for fault in FAULTS:
            self.sandbox.fault(fault, route="*", times=None, probability=FAULT_SHARE, retry_after=1)
        stack.export()
        self.services = bootstrap.build()
        for number, uid in enumerate(self.uids):
            self.services.installations.add(uid, now=self.services.clock())
            self.services.installations.link_phone(uid, _phone(number // sharing))
        spec = registry.for_channel("sms")
        assert spec.sender is not None
        self.sender: Sender = spec.sender(env)

    def send(self, number: int) -> None:
        """One text at its time, until the door says 200."""
        time.sleep(max(0.0, self._began + number * self._pause - time.monotonic()))
        phone = _phone(number % (len(self.uids) // self._sharing))
        message = SampleMessage(sender=phone, to="", text=f"word{number:06d}", event_id=f"SM{number:032x}")
        made = self.sender.build_request(message, self.stack.env["PUBLIC_BASE_URL"], system_clock())
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            try:
                if send(self.stack.web_url, made).status_code == 200:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.2)
        raise AssertionError(f"text {number} was never accepted")

    def kill_at_random(self, stop: threading.Event) -> None:
        """SIGKILL to one process every few seconds, and up again, as a process manager does it."""
        chance = random.Random(20261120)  # noqa: S311 - chaos, but the same chaos each time
        while not stop.wait(KILL_EVERY_SECONDS):
            victim = chance.choice(VICTIMS)
            self.stack.kill(victim)
            self.kills[victim] += 1
            if victim == "valkey":
                self.stack.start_redis()
            else:
                self.stack.start(victim)

    def end(self) -> None:
        """Nothing is killed any more."""

    def run_to_rest(self, say: Callable[[str], None]) -> None:
        give_up = time.monotonic() + 600
        while True:
            waiting = sum(self.services.outbox.size(uid) for uid in self.uids)
            if not waiting and self.services.due.oldest() is None:
                return
            if time.monotonic() > give_up:
                raise AssertionError(f"{waiting} messages still wait")
            say(f"{waiting} messages wait")
            time.sleep(5)

    def count(self, messages: int) -> tuple[int, int, int]:
        """Every id: how often Omi holds it, and what the ledger says where that is not once."""
        held = {uid: Counter("\n".join(self.sandbox.texts(uid)).replace("Me: ", "").split()) for uid in self.uids}
        unknown = {
            message_id
            for delivery, _ in self.services.dead_letters.list()
            if (delivery.reason or "").startswith("outcome unknown")
            for message_id in delivery.message_ids
        }
        phones = len(self.uids) // self._sharing
        times = [
            held[self.uids[number % phones * self._sharing + other]][f"word{number:06d}"]
            for number in range(messages)
            for other in range(self._sharing)
        ]
        return times.count(0), sum(count > 1 for count in times), len(unknown)


def _phone(number: int) -> str:
    return f"+1555{number:07d}"
