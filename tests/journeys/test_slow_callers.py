"""Five hundred callers that drip their heads or their bodies, with the default settings: a genuine text is answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.journeys.conftest import Journey

CALLERS = 500
HEAD = b"POST /webhooks/twilio HTTP/1.1\r\nHost: inbox.example.com\r\nX-Padding: "
BODY = b"POST /webhooks/twilio HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90000\r\n\r\n"


@contextmanager
def dripping(port: int, begins: bytes) -> Iterator[None]:
    """Each sends a byte every now and then, for as long as it is let."""
    callers = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(CALLERS)]
    ends = threading.Event()

    def drip() -> None:
        while not ends.wait(0.5):
            for caller in callers:
                with suppress(OSError):
                    caller.sendall(b"a")

    for caller in callers:
        caller.sendall(begins)
    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
        for caller in callers:
            caller.close()


@pytest.mark.parametrize("begins", [HEAD, BODY], ids=["heads", "bodies"])
def test_a_genuine_text_is_answered_between_slow_callers(journey: Journey, begins: bytes) -> None:
    with dripping(int(journey.stack.env["PORT"]), begins):
        for number in range(5):
            assert journey.text(f"text {number}").status_code == 200
        journey.until(lambda: journey.held().count("text") == 5)


def test_a_body_that_never_ends_is_let_go(journey: Journey) -> None:
    """Slower than the least rate: its socket is shut down, whatever it goes on sending."""
    caller = socket.create_connection(("127.0.0.1", int(journey.stack.env["PORT"])), timeout=60)
    caller.sendall(BODY)

    def is_over() -> bool:
        with suppress(OSError):
            caller.sendall(b"a")
        caller.settimeout(0.3)
        try:
            return caller.recv(1000) is not None
        except TimeoutError:
            return False
        except OSError:
            return True

    journey.until(is_over, seconds=60)
    caller.close()
