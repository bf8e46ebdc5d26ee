"""Callers that stall in the middle of a request, on every door, as many of them as there are threads."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import requests

from tests.journeys.conftest import Journey

THREADS = 8  # of one web process
PATHS = ("/setup/code", "/setup/verify", "/omi/tools/pause", "/webhooks/omi", "/webhooks/twilio", "/operator/login")


def test_callers_that_stall_do_not_close_the_doors(journey: Journey) -> None:
    parts = urlsplit(journey.stack.web_url)
    stalled = []
    try:
        for path in (*PATHS, *PATHS)[:THREADS]:
            connection = socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=5)
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                "Content-Length: 1000\r\n\r\na".encode()
            )
            stalled.append(connection)
        time.sleep(0.5)
        for _ in range(4):  # they hold every thread, ten seconds at a time, and no longer
            assert requests.get(f"{journey.stack.web_url}/livez", timeout=40).ok
        assert journey.text("after the storm").status_code == 200
    finally:
        for connection in stalled:
            connection.close()
