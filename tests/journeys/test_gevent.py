"""gevent instead of threads, for gunicorn and for the workers: the documented switches."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_app import bootstrap
from integration_app.local.stack import Stack
from tests.journeys.conftest import FAST, UID, Journey

STALLED = 40


@pytest.fixture
def green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    pytest.importorskip("gevent")
    switches = {"WEB_WORKER_CLASS": "gevent", "WORKER_CLASS": "gevent", "WEB_CONCURRENCY": "1"}
    with Stack(tmp_path, settings=FAST | switches) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        services = bootstrap.build()
        yield Journey(stack, services)
        services.omi.close()
        services.queue_connection.close()


def test_texts_go_through_while_many_callers_stall(green: Journey) -> None:
    """More of them than any pool of threads would have: each costs a greenlet."""
    port = int(green.stack.env["PORT"])
    stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(STALLED)]
    for caller in stalled:
        caller.sendall(b"POST /webhooks/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert green.text("through").status_code == 200
    green.until(lambda: green.held() == "Me: through")
    for caller in stalled:
        caller.close()
    web = green.stack.processes["web"].pid
    children = Path(f"/proc/{web}/task/{web}/children").read_text().split()
    processes = [*children, green.stack.processes["worker"].pid]
    assert len(processes) > 1
    assert all("gevent" in Path(f"/proc/{process}/maps").read_text() for process in processes), "it is gevent's doing"


def test_a_worker_with_gevent_finishes_what_is_in_flight(green: Journey) -> None:
    green.sandbox.fault("slow", seconds=1.0)
    green.text("last words")
    green.until(lambda: green.services.outbox.peek(UID).open)
    assert green.stack.stop_one("worker") == 0
    assert green.held() == "Me: last words"


def test_a_worker_with_gevent_killed_in_mid_call_loses_nothing_and_doubles_nothing(green: Journey) -> None:
    green.sandbox.fault("slow_after", seconds=1.5)
    assert green.text("in the air").status_code == 200
    green.until(lambda: green.services.outbox.peek(UID).open)
    time.sleep(0.3)
    green.stack.kill("worker")
    green.stack.start("worker")
    green.until(lambda: green.services.outbox.size(UID) == 0)
    assert green.held() == "Me: in the air"
