"""`omi-inbox demo` and `omi-inbox dev`, as a stranger runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from honcho.environ import parse_procfile

from integration_app.providers import registry
from tests.conftest import REPO

BIN = Path(sys.executable).parent


def clean_env() -> dict[str, str]:
    """No setting of ours: as on a machine that has never seen it."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "omi-inbox"), *words],
        cwd=cwd,
        env=clean_env(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_ends_well(tmp_path: Path) -> None:
    result = run("demo", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("✓ sent") == 15 + len(registry.specs())


def test_the_demo_ends_with_1_and_the_reason_when_something_differs(tmp_path: Path) -> None:
    """The honest proof that it can fail: a web app that stores nothing it is sent."""
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import sys\n"
        "if 'gunicorn' in sys.argv[0]:\n"
        "    from integration_app.pipeline.intake import intake\n"
        "    intake.Intake.accept = lambda self, message: intake.Accepted(intake.Receipt.STORED, 'm0')\n"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib; demo = importlib.import_module('integration_app.cli.demo'); "
            "demo.PATIENCE_SECONDS = 2; demo.demo()",
        ],
        cwd=tmp_path,
        env=clean_env() | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1, result.stdout
    assert "three texts as one conversation did not arrive" in result.stderr


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], Path]]:
    process = subprocess.Popen(
        [str(BIN / "omi-inbox"), "dev", "--quiet", "0.3"],
        cwd=tmp_path,
        env=clean_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    described = tmp_path / ".dev" / "stack.json"
    deadline = time.monotonic() + 60
    while not described.exists():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(0.3)
    yield process, json.loads(described.read_text()), tmp_path
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def test_dev_says_how_to_talk_to_it_and_stops_everything_it_started(
    dev: tuple[subprocess.Popen[str], dict[str, Any], Path],
) -> None:
    process, stack, folder = dev
    described = folder / ".dev" / "stack.json"
    assert described.stat().st_mode & 0o077 == 0, "it holds secrets"
    assert {"web_url", "public_base_url", "sandbox_url", "redis_url", "inbox_domain"} <= set(stack)
    assert set(stack["omi"]) == {"app_id", "api_key"}
    assert {"account_sid", "auth_token", "number"} == set(stack["providers"]["twilio"])
    assert {"username", "password"} == set(stack["providers"]["postmark"])
    assert requests.get(f"{stack['web_url']}/readyz", timeout=5).status_code == 200

    sample = next(name for name in run("send-sample", cwd=folder).stdout.split() if name.endswith("-sms"))
    sent = run("send-sample", sample, cwd=folder)
    assert sent.returncode == 0, sent.stderr
    deadline = time.monotonic() + 20
    while "done" not in run("messages", cwd=folder).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert run("doctor", cwd=folder).returncode == 0

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not described.exists()
    for pid in stack["pids"].values():  # omi-inbox itself, which has been waited for, and all that it started
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    screen = process.stdout.read() if process.stdout else ""
    for shown in (stack["web_url"], stack["sandbox_url"], "Ctrl-C stops everything"):
        assert shown in screen


def test_dev_takes_free_ports_when_the_usual_ones_are_taken(tmp_path: Path) -> None:
    from integration_app.local.ports import free_port
    from integration_app.local.stack import Stack

    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        assert free_port(taken) != taken
    ports = {Stack(tmp_path).web_url, Stack(tmp_path).sandbox_url}
    assert len(ports) == 2


def test_the_local_stack_runs_the_lines_of_the_procfile() -> None:
    from integration_app.local.stack import MAILBOX, PROCESSES

    assert dict(parse_procfile((REPO / "Procfile").read_text(encoding="utf-8")).processes) == PROCESSES | MAILBOX


def test_the_makefile_offers_what_the_readme_promises() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=REPO, capture_output=True, text=True, check=True, env=clean_env()
    ).stdout
    for target in ("demo", "dev", "test", "check"):
        assert target in listed
