"""Real processes: what fails is told within a minute, once, by whichever web process watches, and when it is over."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_app.local.stack import Stack
from tests.journeys.conftest import FAST
from tests.receiver import Receiver

WITHIN = 60


class Watched:
    def __init__(self, stack: Stack, receiver: Receiver) -> None:
        self.stack = stack
        self._receiver = receiver

    def told(self) -> list[str]:
        bodies = [json.loads(got.body) for got in self._receiver.at("/hook")]
        return [f"{body['type']} {body['data']['key']}" for body in bodies]

    def until(self, wanted: str, seconds: float = WITHIN) -> float:
        """Seconds until it was told."""
        began = time.monotonic()
        while wanted not in self.told():
            assert time.monotonic() - began < seconds, (wanted, self.told())
            time.sleep(0.2)
        return time.monotonic() - began


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Receiver() as receiver:
        settings = FAST | {
            "ALERT_WEBHOOK_URL": f"{receiver.url}/hook",
            "ALERT_WEBHOOK_SECRET": f"whsec_{base64.b64encode(b'k' * 24).decode()}",
            "WEB_CONCURRENCY": "3",
        }
        with Stack(tmp_path, settings=settings) as stack:
            yield Watched(stack, receiver)


def test_dead_workers_and_their_return(watched: Watched) -> None:
    time.sleep(6)
    assert watched.told() == [], "all is well, and nobody is told anything"
    watched.stack.kill("worker")
    print(f"told after {watched.until('alert.new no worker'):.0f} s")
    watched.stack.start("worker")
    watched.until("alert.cleared no worker", 2 * WITHIN)
    assert watched.told() == ["alert.new no worker", "alert.cleared no worker"]


def test_redis_that_goes_and_returns(watched: Watched) -> None:
    watched.stack.kill("valkey")
    print(f"told after {watched.until('alert.new redis away'):.0f} s")
    watched.stack.start_redis()
    watched.until("alert.cleared redis away", 2 * WITHIN)
    assert watched.told().count("alert.new redis away") == 1
