"""Every example of docs/client.md is run, in order, and every call of the clients has one."""

from __future__ import annotations

import re

import requests

from integration_app import omi
from tests.conftest import REPO
from tests.sandbox_control import SandboxControl

PAGE = (REPO / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_runs(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    made = requests.post(f"{sandbox.url}/_sandbox/users/u/keys", json={}, timeout=5).json()
    names: dict[str, object] = {
        "app_id": sandbox.app_id,
        "api_key": sandbox.api_key,
        "base_url": sandbox.url,
        "developer_key": made["key"],
        "session_token": made["session"],
        "uid": "u",
    }
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"docs/client.md, block {number + 1}", "exec"), names)  # noqa: S102 - our own page
    for name in ("integrations", "developer", "session"):
        names[name].close()  # type: ignore[attr-defined]


def test_every_call_has_an_example() -> None:
    code = "\n".join(BLOCKS)
    for client in (omi.IntegrationsClient, omi.DeveloperClient):
        public = {name for name in vars(client) if not name.startswith("_")} - {"close"}
        missing = {name for name in public if f".{name}" not in code}
        assert not missing, f"{client.__name__}: {missing}"


def test_every_error_is_in_the_table() -> None:
    errors = {
        name
        for name in omi.__all__
        if isinstance(getattr(omi, name), type) and issubclass(getattr(omi, name), omi.OmiError)
    }
    assert {name for name in errors - {"OmiError"} if f"| `{name}` |" not in PAGE} == set()
