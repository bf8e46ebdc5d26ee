"""The whole stack as real processes: Valkey, the sandbox, gunicorn, workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from integration_app import bootstrap
from integration_app.bootstrap import Services, system_clock
from integration_app.cli.samples import send
from integration_app.local.stack import Stack
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from tests.sandbox_control import SandboxControl

FAST = {
    "MAIL_QUIET_SECONDS": "0",
    "MEMORY_QUIET_SECONDS": "0",
    "SMS_QUIET_SECONDS": "0.3",
    "SMS_MAX_WAIT_SECONDS": "5",
    "OMI_CONNECT_TIMEOUT_SECONDS": "1",
    "OMI_READ_TIMEOUT_SECONDS": "2",
    "OMI_SETTLE_SECONDS": "1",
    "JOB_TIMEOUT_SECONDS": "4",
    "LEASE_SECONDS": "5",
}
PHONE, UID = "+15550001111", "traveller"


class Journey:
    """One traveller: a linked phone, an enabled uid, and a running stack."""

    def __init__(self, stack: Stack, services: Services) -> None:
        self.stack = stack
        self.services = services
        self.sandbox = SandboxControl(stack.sandbox_url, stack.env["OMI_APP_ID"], stack.env["OMI_API_KEY"])
        self.sandbox.enable(UID)
        services.installations.add(UID, now=services.clock())
        services.installations.link_phone(UID, PHONE)

    def text(self, words: str, event_id: str | None = None) -> requests.Response:
        """A text, signed and sent as the vendor does."""
        spec = registry.for_channel("sms")
        assert spec.sender is not None
        message = SampleMessage(sender=PHONE, to="", text=words, event_id=event_id)
        made = spec.sender(self.stack.env).build_request(message, self.stack.env["PUBLIC_BASE_URL"], system_clock())
        return send(self.stack.web_url, made)

    def held(self) -> str:
        return "\n\n".join(self.sandbox.texts(UID))

    def until(self, look: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)
        return found


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journey]:
    with Stack(tmp_path, settings=FAST) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        services = bootstrap.build()
        yield Journey(stack, services)
        services.omi.close()
        services.queue_connection.close()
