"""The contract table (`contract.json`): every documented request and answer of both APIs, played twice.

Once as bare HTTP against the sandbox, once through the client. A row names the line of Omi's pages that it stands for, and
in `seen` where its answer was seen: in Omi's routers as of 2026-05 as they ran, in the newest code as it reads, or in the
documents alone. `omi`: the version that the sandbox plays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from integration_app import omi
from tests.sandbox_control import SandboxControl

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
NAMES = [f"{number}: {row['seed']}: {row['name']}" for number, row in enumerate(ROWS)]


class Stage:
    """The sandbox with a user, who has keys of all kinds."""

    def __init__(self, sandbox: SandboxControl) -> None:
        self.sandbox = sandbox
        self.taken: dict[str, str] = {}
        sandbox.enable("u")
        scopes = [
            f"{what}:{how}"
            for what in ("conversations", "memories", "action_items", "goals")
            for how in ("read", "write")
        ]
        made = self.control("users/u/keys", {"name": "contract", "scopes": scopes})
        read_only = self.control("users/u/keys", {"name": "read-only", "scopes": None})
        self.keys = {
            "app": sandbox.api_key,
            "dev": made["key"],
            "read_only": read_only["key"],
            "session": made["session"],
            "wrong": "sk_wrong",
        }

    def control(self, path: str, body: Any) -> Any:
        answer = requests.post(f"{self.sandbox.url}/_sandbox/{path}", json=body, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def send(self, request: dict[str, Any], raw: str | None = None) -> requests.Response:
        headers = {} if request["key"] == "none" else {"Authorization": f"Bearer {self.keys[request['key']]}"}
        if raw is not None:
            headers["Content-Type"] = "application/json"
        headers |= {name: self.filled(value) for name, value in request.get("headers", {}).items()}
        return requests.request(
            request["method"],
            self.sandbox.url + self.filled(request["path"]),
            params=request.get("query"),
            json=self.filled(request.get("json")),
            data=None if raw is None else raw.encode("latin-1"),
            headers={name: value for name, value in headers.items() if value is not None},
            allow_redirects=False,
            timeout=10,
        )

    def before(self, row: dict[str, Any]) -> None:
        self.control("omi", {"version": row.get("omi", "newest")})
        for step in row.get("before", ()):
            if "control" in step:
                self.control(step["control"], self.filled(step["json"]))
                continue
            for _ in range(step.get("times", 1)):
                answer = self.send(step)
                assert answer.ok, answer.text
            if "take" in step:
                self.taken["id"] = answer.json()[step["take"]]

    def filled(self, value: Any) -> Any:
        """`{app}` and `{id}` in it replaced."""
        if isinstance(value, str):
            known = {"{app}": self.sandbox.app_id, "{key}": self.keys["app"], "{url}": self.sandbox.url}
            for name, word in (known | {"{id}": self.taken.get("id", "{id}")}).items():
                value = value.replace(name, word)
            return value
        if isinstance(value, dict):
            return {name: self.filled(item) for name, item in value.items()}
        return [self.filled(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def stage(sandbox: SandboxControl) -> Stage:
    return Stage(sandbox)


@pytest.fixture
def clients(stage: Stage) -> Iterator[SimpleNamespace]:
    url, keys = stage.sandbox.url, stage.keys
    made = SimpleNamespace(
        integrations=omi.IntegrationsClient(stage.sandbox.app_id, keys["app"], base_url=url),
        wrong_key=omi.IntegrationsClient(stage.sandbox.app_id, keys["wrong"], base_url=url),
        developer=omi.DeveloperClient(keys["dev"], base_url=url),
        read_only=omi.DeveloperClient(keys["read_only"], base_url=url),
        wrong_dev=omi.DeveloperClient(keys["wrong"], base_url=url),
        session=omi.DeveloperClient(keys["session"], base_url=url),
        make=SimpleNamespace(**{name: getattr(omi, name) for name in omi.__all__}),
    )
    yield made
    for name in ("integrations", "wrong_key", "developer", "read_only", "wrong_dev", "session"):
        getattr(made, name).close()


def test_each_row_says_where_it_was_seen() -> None:
    assert len(ROWS) >= 400
    assert {row["seen"] for row in ROWS} <= {
        "2026-05, run",
        "newest, read",
        "documents",
        "sandbox: a stand-in for a model",
    }


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_sandbox_answers_as_documented(stage: Stage, row: dict[str, Any]) -> None:
    stage.before(row)
    answer = stage.send(row["request"], row.get("raw"))
    expected = row["answer"]
    assert answer.status_code == expected["status"], answer.text
    for name, value in expected.get("headers", {}).items():
        assert answer.headers[name] == stage.filled(value)
    if "text" in expected:
        assert answer.text == expected["text"]
    if "json" not in expected:
        return
    found = answer.json()
    assert_part(found, stage.filled(expected["json"]), prefix=expected.get("prefix", False))
    if name := expected.get("exact_length"):
        assert len(found[name]) == len(expected["json"][name])
    if "length" in expected:
        assert len(found) == expected["length"]
    if "absent" in expected:
        assert not set(expected["absent"]) & set(found[0] if isinstance(found, list) else found)
    if "fields" in expected:
        assert set(found[0] if isinstance(found, list) else found) == set(expected["fields"])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "client" in row], ids=[n for n, r in zip(NAMES, ROWS, strict=True) if "client" in r]
)
def test_the_client_says_and_reads_it(stage: Stage, clients: SimpleNamespace, row: dict[str, Any]) -> None:
    stage.before(row)
    wanted = row["client"]
    place, _, name = wanted["call"].partition(".")
    call = getattr(getattr(clients, place), name)

    def act() -> Any:
        args = [made_of(item) for item in stage.filled(wanted.get("args", []))]
        kwargs = {key: made_of(item) for key, item in stage.filled(wanted.get("kwargs", {})).items()}
        found = call(*args, **kwargs)
        return list(found) if name.startswith("iter_") else found

    if "raises" in wanted:
        kind = getattr(omi, wanted["raises"], None) or {"ValueError": ValueError}[wanted["raises"]]
        with pytest.raises(kind):
            act()
        return
    found = act()
    if "returns" in wanted:
        assert_fields(found, stage.filled(wanted["returns"]))


def made_of(value: Any) -> Any:
    """Data to values: `{"$": "NewMemory", …}` is one of the client's types."""
    if isinstance(value, list):
        return tuple(made_of(item) for item in value)
    if not isinstance(value, dict) or "$" not in value:
        return value
    if value["$"] == "datetime":
        return datetime.fromisoformat(value["iso"])
    fields = {name: made_of(item) for name, item in value.items() if name != "$"}
    for name in ("started_at", "finished_at", "due_at"):
        if isinstance(fields.get(name), str):
            fields[name] = datetime.fromisoformat(fields[name])
    return getattr(omi, value["$"])(**fields)


def assert_part(found: Any, expected: Any, *, prefix: bool = False) -> None:
    """`expected` is in `found`: its keys in objects, its items first in lists."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert name in found, f"{name} is missing in {found}"
            assert_part(found[name], value, prefix=prefix)
    elif isinstance(expected, list):
        assert len(found) >= len(expected), found
        for item, value in zip(found, expected, strict=False):
            assert_part(item, value, prefix=prefix)
    elif prefix and isinstance(expected, str):
        assert str(found).startswith(expected)
    else:
        assert found == expected


def assert_fields(found: Any, expected: Any) -> None:
    """The same for the client's types."""
    if isinstance(expected, list):
        assert len(found) == len(expected), found
        for item, value in zip(found, expected, strict=True):
            assert_fields(item, value)
    elif isinstance(expected, dict):
        for name, value in expected.items():
            assert_fields(found[name] if isinstance(found, dict) else getattr(found, name), value)
    elif isinstance(found, datetime):
        assert found == datetime.fromisoformat(expected)
    else:
        assert found == expected
