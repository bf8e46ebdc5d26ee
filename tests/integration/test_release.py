"""The last release beside this one: its wheel and the working tree on the same Redis, both ways."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from integration_app.bootstrap import Services
from tests.conftest import REPO, Clock
from tests.integration.helpers import PHONE, link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl

WHEEL = REPO / "tests" / "data" / "omi_inbox-0.3.0-py3-none-any.whl"

ACCEPT = """
import sys
from datetime import datetime, timedelta, UTC
from integration_app import bootstrap, __version__
from integration_app.model import Content, InboundMessage, Kind, Preferences, Route
assert __version__ == "0.3.0", __version__
now = datetime.fromisoformat(sys.argv[1])
services = bootstrap.build(clock=lambda: now)
services.installations.add("u", now=now)
services.installations.link_phone("u", "+15550001111")
services.installations.prefer("u", Preferences(language="pt", senders=("ana@example.com",), keep_history=("b@example.com",)))
for number, words in enumerate(("one", "two", "remember: three #home")):
    message = InboundMessage("twilio", f"e{number}", (f"k{number}",), "sms", Route.SENDER, "+15550001111", now, Content(text=words))
    print(services.intake.accept(message).message_id)
"""

DRAIN = """
import sys
from datetime import datetime
from integration_app import bootstrap, __version__
assert __version__ == "0.3.0", __version__
now = datetime.fromisoformat(sys.argv[1])
bootstrap.build(clock=lambda: now).drain.run("u")
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(tmp_path)
    return tmp_path


def run_old(old: Path, script: str, *words: str) -> list[str]:
    """In a process of its own, outside of this tree, so that nothing of it can be imported."""
    env = os.environ | {"PYTHONPATH": str(old), "LOG_LEVEL": "error"}
    ended = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=old, env=env, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return re.findall(r"^m[0-9a-f]{24}$", ended.stdout, re.MULTILINE)  # beside lines of the log


def test_what_the_last_release_accepted_is_delivered(
    services: Services, sandbox: SandboxControl, clock: Clock, old: Path
) -> None:
    sandbox.enable("u")
    ids = run_old(old, ACCEPT, clock().isoformat())
    services.migrations.run(now=clock())
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.preferences.language == "pt"
    assert installation.preferences.keep_history == ("b@example.com",)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: two"]
    assert [row["content"] for row in sandbox.memories("u")] == ["three"]
    assert [state(services, message_id, "u") for message_id in ids] == ["done"] * 3


def test_a_worker_of_the_last_release_delivers_what_this_one_accepted(
    services: Services, sandbox: SandboxControl, clock: Clock, old: Path
) -> None:
    sandbox.enable("u")
    link(services, "u", phone=PHONE)
    first = text(services, "one")
    clock.pass_time(seconds=30)
    run_old(old, DRAIN, clock().isoformat())
    assert sandbox.texts("u") == ["Me: one"]
    assert state(services, first, "u") == "done"


def test_a_delivery_that_the_last_release_left_open_is_settled(
    services: Services, sandbox: SandboxControl, clock: Clock, old: Path
) -> None:
    sandbox.enable("u")
    sandbox.fault("drop_after", route="create_conversation", times=1)
    sandbox.fault("error_before", route="read_conversations", times=1)
    ids = run_old(old, ACCEPT, clock().isoformat())
    clock.pass_time(seconds=30)
    run_old(old, DRAIN, clock().isoformat())
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: two"]
    assert [state(services, message_id, "u") for message_id in ids] == ["done"] * 3
