"""A copy of Redis after a day of the real web and the real workers."""

from __future__ import annotations

import re

import requests

from tests.integration.test_at_rest import everything
from tests.journeys.conftest import PHONE, UID, Journey


def test_a_dump_names_nobody(journey: Journey) -> None:
    journey.text("first-words")
    journey.until(lambda: "first-words" in journey.held())
    page = requests.Session()
    form = page.get(f"{journey.stack.web_url}/setup", params={"uid": UID}, timeout=10).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    assert token is not None
    asked = page.post(f"{journey.stack.web_url}/setup/code", data={"csrf_token": token[1], "uid": UID}, timeout=10)
    assert asked.ok
    journey.sandbox.fault("error_before", times=2)
    journey.text("second-words")
    journey.until(lambda: "second-words" in journey.held(), seconds=60)
    journey.sandbox.fault("unavailable", times=None)
    journey.text("third-words")
    journey.until(lambda: journey.services.gates.of_all() or journey.services.gates.of(UID))
    journey.services.installations.mark_left(UID, now=journey.services.clock())
    dump = everything(journey.services)
    assert b"oi:outbox" in dump or b"oi:of:" in dump
    for said in (UID, PHONE.strip("+"), "first-words", "second-words", "third-words"):
        assert said.encode() not in dump
