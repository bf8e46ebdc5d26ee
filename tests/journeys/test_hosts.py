"""Three worker hosts, as network namespaces with a cable each. One is cut off in mid-call."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rq.registry import StartedJobRegistry
from rq.utils import as_text

from integration_app import bootstrap
from integration_app.local.ports import free_port
from integration_app.local.stack import ROOT, Stack
from tests.journeys.conftest import FAST, UID, Journey

LEASE_SECONDS = float(FAST["LEASE_SECONDS"])
HUB = "10.213.77.1"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Hosts:
    """Namespaces on one bridge, each with a worker process."""

    def __init__(self, journey: Journey, count: int) -> None:
        self._tag = secrets.token_hex(2)
        self._journey = journey
        self.names = [f"omi-{self._tag}-{number}" for number in range(count)]
        self._bridge = f"omi-{self._tag}"
        self._relays: list[subprocess.Popen[bytes]] = []
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def plug_in(self) -> None:
        ip("link", "add", self._bridge, "type", "bridge")
        ip("address", "add", f"{HUB}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        for number, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("link", "add", self._cable(name), "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", self._cable(name), "master", self._bridge, "up")
            ip("-n", name, "address", "add", f"{HUB.rpartition('.')[0]}.{11 + number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        env = self._journey.stack.env
        there = {
            "REDIS_URL": f"redis://{HUB}:{self._relay(env['REDIS_URL'])}/0",
            "OMI_BASE_URL": f"http://{HUB}:{self._relay(env['OMI_BASE_URL'])}",
        }
        for name in self.names:
            with (self._journey.stack.folder / f"{name}.log").open("ab") as log:
                self.workers[name] = subprocess.Popen(
                    ["ip", "netns", "exec", name, sys.executable, "-m", "workers", "--slots", "4"],
                    cwd=ROOT, env=os.environ | env | there, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip

    def _relay(self, url: str) -> int:
        """A port on the bridge that leads to this URL's."""
        port, to = free_port(0), str(urlsplit(url).port)
        command = [sys.executable, "-m", "tests.journeys.relay", HUB, str(port), to]
        self._relays.append(subprocess.Popen(command, cwd=ROOT))
        return port

    def cut(self, name: str) -> None:
        """Pull the cable: nothing arrives any more, and nobody is told."""
        ip("link", "set", self._cable(name), "down")

    def mend(self, name: str) -> None:
        ip("link", "set", self._cable(name), "up")

    def of_worker(self, worker_name: str) -> str:
        """The host on which an RQ worker of this name runs; the name holds the process's id."""
        return next(name for name, process in self.workers.items() if f"-{process.pid}-" in worker_name)

    def close(self) -> None:
        for process in [*self.workers.values(), *self._relays]:
            process.kill()
            process.wait()
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", self._bridge], check=False, capture_output=True)

    def _cable(self, name: str) -> str:
        return f"v{name}"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Journey, Hosts]]:
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2")
    with Stack(tmp_path, settings=FAST | {"SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0"}) as stack:
        stack.kill("worker")
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        services = bootstrap.build()
        journey = Journey(stack, services)
        made = Hosts(journey, 3)
        try:
            made.plug_in()
        except subprocess.CalledProcessError as error:
            made.close()
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        yield journey, made
        made.close()
        services.omi.close()
        services.queue_connection.close()


def test_a_host_cut_off_in_mid_call_loses_nothing_and_its_work_is_taken_over(hosts: tuple[Journey, Hosts]) -> None:
    journey, fleet = hosts
    journey.sandbox.boost(1000)
    journey.until(lambda: journey.services.health.workers(since=journey.services.clock().replace(year=2000)) >= 3)
    journey.text("before")
    journey.until(lambda: journey.held() == "Me: before")
    registry = StartedJobRegistry(queue=journey.services.jobs.rq)
    journey.until(lambda: not registry.get_job_and_execution_ids())  # an end is told with the next dispatch

    journey.sandbox.fault("slow_after", seconds=1.5)  # stored at once, answered later: into a cable that is cut
    journey.text("in the air")
    journey.until(lambda: len(journey.sandbox.texts(UID)) == 2)
    job_id, execution_id = registry.get_job_and_execution_ids()[0]
    worker = journey.services.queue_connection.hget(f"rq:execution:{job_id}:{execution_id}", "worker_name")
    assert worker is not None
    lost = fleet.of_worker(as_text(worker))
    fleet.cut(lost)
    cut = time.monotonic()

    journey.text("after the cut")
    journey.until(lambda: journey.services.outbox.size(UID) == 0, seconds=60)
    print(f"\ntaken over {time.monotonic() - cut:.1f} s after the cut, with a lease of {LEASE_SECONDS:g} s")
    assert journey.sandbox.texts(UID) == ["Me: before", "Me: in the air", "Me: after the cut"]

    fleet.mend(lost)
    back = time.monotonic()
    for number in range(12):
        journey.text(f"text {number}")
    journey.until(lambda: journey.services.outbox.size(UID) == 0, seconds=60)
    assert "\n\n".join(journey.sandbox.texts(UID)).count("in the air") == 1, "who came back did not send it again"
    since = journey.services.clock()
    journey.until(lambda: journey.services.health.workers(since=since) == 3, seconds=60)
    print(f"all three hosts give signs of life {time.monotonic() - back:.1f} s after the cable was mended")
    assert all(process.poll() is None for process in fleet.workers.values())
