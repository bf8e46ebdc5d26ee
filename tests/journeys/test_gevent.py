"""gunicorn with gevent instead of threads: the documented switch."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_app import bootstrap
from integration_app.cli.stack import Stack
from tests.journeys.conftest import FAST, Journey

STALLED = 40


@pytest.fixture
def green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    pytest.importorskip("gevent")
    with Stack(tmp_path, settings=FAST | {"WEB_WORKER_CLASS": "gevent", "WEB_CONCURRENCY": "1"}) as stack:
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
    assert all("gevent" in Path(f"/proc/{child}/maps").read_text() for child in children), "it is gevent that answered"
    assert children
