"""The client and the sandbox as distributions of their own: built, unpacked alone, and used from there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from packages.build import PACKAGES, Package, build
from tests.conftest import REPO
from tests.licences import rows

USE_CLIENT = """
import sys
import omi_app_client
from omi_app_client import DeveloperClient, IntegrationsClient, NewConversation
assert not [name for name in sys.modules if name.startswith(("integration_app", "flask", "redis", "rq"))]
client = IntegrationsClient("app", "key", base_url="http://127.0.0.1:1")
print(omi_app_client.__file__, client)
"""

TEST_OF_ANOTHER_APP = '''
"""As the tests of another Omi app would look."""
import sys
import urllib.error
import urllib.request
import json

import pytest


def send(sandbox, text):
    url = f"{sandbox.url}/v2/integrations/{sandbox.app_id}/user/conversations?uid=u1"
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
    body = json.dumps({"text": text}).encode()
    return urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).status


def test_a_text_arrives(omi_sandbox):
    omi_sandbox.enable("u1")
    assert send(omi_sandbox, "Me: Hello") == 200
    assert omi_sandbox.texts("u1") == ["Me: Hello"]
    assert omi_sandbox.calls(route="create_conversation", uid="u1")[0]["status"] == 200


def test_it_is_empty_again_and_fails_on_demand(omi_sandbox):
    omi_sandbox.enable("u1")
    assert omi_sandbox.texts("u1") == []
    omi_sandbox.fault("rate_limited", "create_conversation", retry_after=30)
    with pytest.raises(urllib.error.HTTPError) as caught:
        send(omi_sandbox, "Me: Hello")
    assert caught.value.code == 429
    assert not [name for name in sys.modules if name.startswith(("integration_app", "redis", "rq", "gunicorn"))]
'''


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        folder = tmp_path_factory.mktemp(package.module)
        with zipfile.ZipFile(build(package, folder)) as wheel:
            wheel.extractall(folder / "site")
        found[package.name] = folder / "site"
    return found


def run(site: Path, *words: str, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=env | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_client_stands_alone(unpacked: dict[str, Path], tmp_path: Path) -> None:
    said = run(unpacked["omi-app-client"], "-c", USE_CLIENT, cwd=tmp_path)
    assert str(unpacked["omi-app-client"]) in said


def test_another_apps_tests_run_with_the_fixture(unpacked: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "test_app.py").write_text(TEST_OF_ANOTHER_APP)
    plugin = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")
    said = run(unpacked["omi-sandbox"], "-m", "pytest", "-q", *plugin, "test_app.py", cwd=tmp_path)
    assert "2 passed" in said


@pytest.mark.parametrize("package", PACKAGES, ids=[package.name for package in PACKAGES])
def test_its_dependencies_are_those_that_are_named(package: Package, unpacked: dict[str, Path]) -> None:
    (metadata,) = unpacked[package.name].glob("*.dist-info/METADATA")
    wanted = [
        re.split("[<>=;]", line.split(": ")[1])[0]
        for line in metadata.read_text().splitlines()
        if line.startswith("Requires-Dist")
    ]
    assert wanted == [name.split(">=")[0] for name in package.dependencies]


def test_what_the_image_installs_may_be_shipped() -> None:
    """Weak copyleft of files (MPL) is fine beside our code, the GPL would not be."""
    found = rows()
    assert len(found) > 35
    assert [row for row in found if "GPL" in row[1] or row[1] == "not said"] == []


def test_every_pinned_package_has_its_hashes() -> None:
    for name in ("requirements.lock", "requirements-local.lock", "requirements-dev.lock"):
        pinned = [row for row in (REPO / name).read_text(encoding="utf-8").split("\n\n") if "==" in row]
        lines = "\n".join(pinned).split("\n")
        starts = [number for number, line in enumerate(lines) if "==" in line and not line.startswith(" ")]
        assert starts
        assert all("--hash=sha256:" in lines[number + 1] for number in starts)
