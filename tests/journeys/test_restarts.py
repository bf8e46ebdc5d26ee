"""A rolling restart of two webs behind a proxy of the test's own: every text is sent once, and none is refused."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from integration_app.local import UNLIMITED
from integration_app.local.ports import free_port
from integration_app.local.stack import PROCESSES, Stack
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from tests.sandbox_control import SandboxControl


class Balancer:
    """Forwards to the webs whose `/readyz` says 200, as a load balancer does; looks every 0.2 s."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.ready = set(ports)
        self._turn = itertools.count()
        self._ends = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._ends.wait(0.2):
            for port in self.ports:
                try:
                    ok = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok
                except requests.RequestException:
                    ok = False
                (self.ready.add if ok else self.ready.discard)(port)

    def choose(self) -> int:
        ready = sorted(self.ready) or self.ports
        return ready[next(self._turn) % len(ready)]

    def close(self) -> None:
        self._ends.set()


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path, settings=UNLIMITED, default_ports=False)


def test_a_rolling_restart_refuses_nothing(stack: Stack) -> None:  # noqa: C901 - one story
    stack.folder.mkdir(exist_ok=True)
    webs: dict[int, subprocess.Popen[bytes]] = {}
    balancer: Balancer | None = None
    try:
        stack.start_redis()
        stack.start_sandbox()
        SandboxControl(stack.sandbox_url, stack.env["OMI_APP_ID"], stack.env["OMI_API_KEY"]).enable("u")

        def start(port: int) -> None:
            env = os.environ | stack.env | {"PORT": str(port), "DRAIN_SECONDS": "1.5", "WEB_CONCURRENCY": "1"}
            env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
            webs[port] = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {PROCESSES['web']}"], env=env, stderr=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok:
                        return
                except requests.RequestException:
                    time.sleep(0.1)
            raise AssertionError("a web did not start")

        ports = [free_port(0), free_port(0)]
        for port in ports:
            start(port)
        subprocess.run(
            [str(Path(sys.executable).with_name("omi-inbox")), "link", "--uid", "u", "--phone", "+15550001111"],
            env=os.environ | stack.env,
            check=True,
            capture_output=True,
        )
        balancer = Balancer(ports)
        spec = registry.for_channel("sms")
        assert spec.sender is not None
        sender = spec.sender(stack.env)
        answers: list[int] = []
        stop = threading.Event()

        def send(lane: int) -> None:
            assert balancer is not None
            for number in itertools.count():
                if stop.is_set():
                    return
                made = sender.build_request(
                    SampleMessage("+15550001111", "", f"text {lane} {number}", event_id=f"SM{lane:04d}{number:028d}"),
                    stack.env["PUBLIC_BASE_URL"],
                    datetime.now(UTC),
                )
                try:
                    url = f"http://127.0.0.1:{balancer.choose()}{made.path}"
                    answers.append(
                        requests.post(url, data=made.body, headers=dict(made.headers), timeout=10).status_code
                    )
                except requests.RequestException:
                    answers.append(0)
                time.sleep(0.01)

        lanes = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
        for thread in lanes:
            thread.start()
        for port in ports:
            time.sleep(1)
            old = webs[port]
            old.send_signal(signal.SIGTERM)
            assert old.wait(30) == 0
            start(port)
        time.sleep(1)
        stop.set()
        for thread in lanes:
            thread.join()
        assert len(answers) > 500
        assert set(answers) == {200}, {status: answers.count(status) for status in set(answers)}
    finally:
        if balancer is not None:
            balancer.close()
        for process in webs.values():
            process.kill()
            process.wait()
        stack.stop()
