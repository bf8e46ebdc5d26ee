"""One bench for the proof: a Valkey, a sandbox and settings of their own, so that several can run side by side."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from integration_app import bootstrap
from integration_app.bootstrap import Services, system_clock
from integration_app.local import UNLIMITED
from integration_app.local.stack import Stack
from integration_app.providers import registry
from integration_app.providers.base import OutgoingRequest, SampleMessage
from tests.clusters import Primaries
from tests.sandbox_control import SandboxControl

PHONE = "+15550001111"

# As short as the cross-checks of the settings allow: request < job < lease.
FAST = {
    "MAIL_QUIET_SECONDS": "0",
    "MEMORY_QUIET_SECONDS": "0",
    "SMS_QUIET_SECONDS": "0.05",
    "SMS_MAX_WAIT_SECONDS": "1",
    "OMI_CONNECT_TIMEOUT_SECONDS": "0.2",
    "OMI_READ_TIMEOUT_SECONDS": "0.5",
    "OMI_SETTLE_SECONDS": "0.2",
    "OMI_MAX_REQUESTS_PER_MINUTE": "60000",
    "JOB_TIMEOUT_SECONDS": "0.8",
    "LEASE_SECONDS": "1",
    **UNLIMITED,
}


class Lane:
    """Backing processes without web and workers: those are what gets killed."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder, settings=FAST)
        folder.mkdir(parents=True, exist_ok=True)
        self.stack.start_redis()
        self.stack.start_sandbox()
        self.sandbox = SandboxControl(
            self.stack.sandbox_url, self.stack.env["OMI_APP_ID"], self.stack.env["OMI_API_KEY"]
        )

    def close(self) -> None:
        self.stack.stop()

    def kill_redis(self) -> None:
        """Called in the process that is at work."""
        self.stack.processes["valkey"].send_signal(signal.SIGKILL)

    def empty(self) -> None:
        services = self.services()
        services.queue_connection.flushall()
        services.identity.init(now=services.clock())
        close(services)

    def services(self) -> Services:
        """Fresh services with connections of their own, for this process."""
        self.stack.export()
        return bootstrap.build()

    def restart_redis(self) -> None:
        """What a power cut does to it: SIGKILL, then up again from its append-only file."""
        process = self.stack.processes.pop("valkey")
        if process.poll() is None:
            process.kill()
        process.wait()
        self.stack.start_redis()

    def signed(self, text: str, event_id: str) -> OutgoingRequest:
        """A text as the vendor sends it."""
        spec = registry.for_channel("sms")
        assert spec.sender is not None
        message = SampleMessage(sender=PHONE, to="", text=text, event_id=event_id)
        return spec.sender(self.stack.env).build_request(message, self.stack.env["PUBLIC_BASE_URL"], system_clock())

    def begin(self, uids: tuple[str, ...]) -> None:
        """An empty Redis, an empty Omi, and these users with one phone."""
        self.empty()
        services = self.services()
        self.sandbox.reset()
        self.sandbox.enable(*uids)
        for uid in uids:
            services.installations.add(uid, now=services.clock())
            services.installations.link_phone(uid, PHONE)
        close(services)


class WideLane(Lane):
    """Users over two primaries; RQ lies beside them. The second primary is the one that dies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.primaries = Primaries(folder, 2)
        self.stack.env |= {
            "REDIS_URL": "",
            "REDIS_URLS": " ".join(self.primaries.urls),
            "RQ_REDIS_URL": self.stack.env["REDIS_URL"],
        }

    def close(self) -> None:
        self.primaries.close()
        super().close()

    def kill_redis(self) -> None:
        self.primaries.servers[1].process.send_signal(signal.SIGKILL)

    def restart_redis(self) -> None:
        self.primaries.servers[1].kill()
        self.primaries.servers[1].start()

    def empty(self) -> None:
        for server in self.primaries.servers:
            with server.client() as client:
                client.flushall()
        super().empty()


def close(services: Services) -> None:
    services.omi.close()
    services.queue_connection.close()
    services.due._redis.close()


def run_to_rest(services: Services, work: object, deadline: float = 30.0) -> None:
    """Promote and work until nothing is due any more; sleeps from one due time to the next, so that nothing is polled."""
    give_up = time.monotonic() + deadline
    while (at := services.due.oldest()) is not None:
        pause = (at - services.clock()).total_seconds()
        if pause > 0:
            time.sleep(min(pause, 2.0) + 0.002)
        work()  # type: ignore[operator]
        if time.monotonic() > give_up:
            raise AssertionError(f"not at rest after {deadline} s")
