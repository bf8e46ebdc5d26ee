"""The Procfile's processes under a process manager, and the Dockerfile in step with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from honcho.environ import parse_procfile

from integration_app import bootstrap
from integration_app.local.stack import Stack
from tests.conftest import REPO
from tests.journeys.conftest import FAST, Journey


def test_honcho_runs_the_procfile_and_a_text_goes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(tmp_path, settings=FAST)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    honcho: subprocess.Popen[bytes] | None = None
    try:
        stack.start_redis()
        stack.start_sandbox()
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        with (tmp_path / "honcho.log").open("wb") as log:
            honcho = subprocess.Popen(
                [sys.executable, "-m", "honcho", "-f", str(REPO / "Procfile"), "start"],
                env=os.environ | stack.env | {"PATH": path},
                cwd=REPO,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        services = bootstrap.build()
        journey = Journey(stack, services)

        def ready() -> bool:
            try:
                return requests.get(f"{stack.web_url}/readyz", timeout=2).ok
            except requests.RequestException:
                return False

        journey.until(ready)
        assert journey.text("through the Procfile").status_code == 200
        journey.until(lambda: journey.held() == "Me: through the Procfile")
        services.omi.close()
        services.queue_connection.close()
    finally:
        if honcho is not None:
            honcho.send_signal(signal.SIGTERM)
            honcho.wait(20)
        stack.stop()


def entrypoint(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["/bin/sh", str(REPO / "docker-entrypoint.sh"), *words]
    return subprocess.run(command, env=bare | env, capture_output=True, text=True, timeout=60, check=False)


def test_the_images_entrypoint_runs_the_procfiles_lines_or_any_command() -> None:
    assert entrypoint("omi-inbox", "--version").stdout.startswith("omi-inbox")
    for process in ("web", "worker", "mailbox"):
        stopped = entrypoint(process, PORT="0")
        assert stopped.returncode != 0
        assert "OMI_API_KEY: is not set" in stopped.stderr, "it got as far as reading its settings"


def test_the_image_runs_as_nobody_special_and_checks_its_health() -> None:
    dockerfile = (REPO / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER (?!root)\w+", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    assert "docker-entrypoint.sh" in dockerfile
    assert set(parse_procfile((REPO / "Procfile").read_text(encoding="utf-8")).processes) == {
        "web",
        "worker",
        "mailbox",
    }
