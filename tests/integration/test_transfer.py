"""Import and export through the command line, against the sandbox: dry run, duplicates, resuming, quota, both APIs."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import Result

from tests.conftest import Cli
from tests.sandbox_control import SandboxControl
from tests.unit.test_readers import SMS, VTT


@pytest.fixture(autouse=True)
def _app(sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sandbox.enable("u")
    for name in ("OMI_DEVELOPER_KEY", "OMI_UID", "REDIS_URL", "PUBLIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMI_BASE_URL", sandbox.url)
    monkeypatch.setenv("OMI_APP_ID", sandbox.app_id)
    monkeypatch.setenv("OMI_API_KEY", sandbox.api_key)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def developer(sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch) -> str:
    made = requests.post(f"{sandbox.url}/_sandbox/users/u/keys", json={"name": "tests"}, timeout=5).json()
    monkeypatch.setenv("OMI_DEVELOPER_KEY", made["key"])
    return str(made["key"])


def run(cli: Cli, *words: str) -> Result:
    result = cli("omi", *words)
    assert result.exit_code == 0, result.output
    return result


def as_data(cli: Cli, *words: str) -> Any:
    return json.loads(run(cli, *words, "--json").stdout)


def file(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_a_dry_run_says_what_would_be_done_and_does_nothing(sandbox: SandboxControl, cli: Cli) -> None:
    name = file("sms.xml", SMS)
    result = run(cli, "import", name, "--uid", "u", "--dry-run")
    assert "new: 3 conversations; 0 duplicates" in result.stderr
    assert "3 calls; at Omi's documented limits that takes 12 min" in result.stderr
    assert sandbox.conversations("u") == []


def test_texts_arrive_with_their_dates_and_once(sandbox: SandboxControl, cli: Cli) -> None:
    name = file("sms.xml", SMS)
    assert as_data(cli, "import", name, "--uid", "u")["sent"] == {"conversations": 3}
    assert as_data(cli, "import", name, "--uid", "u") == {
        "new": {},
        "duplicates": 3,
        "calls": {},
        "hours": 0.0,
        "sent": {},
    }
    rows = sorted(sandbox.conversations("u"), key=lambda row: row["started_at"])
    assert rows[0]["started_at"].startswith("2025-11-20T08:00:00")
    assert rows[0]["external_data"]["text"] == "Mara: Landed 😊 in Lisbon\n\nMe: Great, see you"


def test_what_was_stored_and_never_answered_is_looked_up(sandbox: SandboxControl, cli: Cli) -> None:
    name = file("sms.xml", SMS)
    sandbox.fault("504", times=1)
    stopped = cli("omi", "import", name, "--uid", "u")
    assert stopped.exit_code == 1
    assert len(sandbox.conversations("u")) == 1, "stored, although Omi answered 504"
    again = as_data(cli, "import", name, "--uid", "u")
    assert (again["sent"], again["duplicates"]) == ({"conversations": 2}, 1)
    assert len(sandbox.conversations("u")) == 3


def test_memories_that_are_there_already_are_skipped(sandbox: SandboxControl, cli: Cli) -> None:
    run(cli, "memories", "create", "Likes tea", "--uid", "u")
    name = file("m.csv", "content,tags\nLikes tea,food\nHas a bike,\nHas a bike,\n")
    report = as_data(cli, "import", name, "--uid", "u")
    assert (report["sent"], report["duplicates"]) == ({"memories": 1}, 2)
    assert {row["content"] for row in sandbox.memories("u")} == {"Likes tea", "Has a bike"}


@pytest.mark.usefixtures("developer")
def test_a_transcript_for_oneself_is_one_conversation_however_often(sandbox: SandboxControl, cli: Cli) -> None:
    name = file("2026-11-20 1000 planning.vtt", VTT * 1)
    for ledger in ("one.sqlite", "two.sqlite"):  # another ledger: only the session id keeps it from being doubled
        run(cli, "import", name, "--me", "Ana Pérez", "--ledger", ledger)
    (row,) = sandbox.conversations("u")
    assert [part["is_user"] for part in row["transcript_segments"]] == [True, False]
    items = as_data(cli, "action-items", "list")
    assert [item["description"] for item in items] == ["Send the budget by Friday"]


@pytest.mark.usefixtures("developer")
def test_tasks_for_oneself(sandbox: SandboxControl, cli: Cli) -> None:
    name = file("t.csv", "title,due_date,status\nPay rent,2026-12-01,done\nCall Mara,,open\n")
    assert as_data(cli, "import", name)["sent"] == {"action items": 2}
    made = run(cli, "action-items", "create", "Water the plants", "--due", "2026-12-05").stdout.strip()
    rows = {row["description"]: row for row in as_data(cli, "action-items", "list")}
    assert rows["Pay rent"]["completed"] is True
    assert rows["Water the plants"]["id"] == made
    assert rows["Water the plants"]["due_at"].startswith("2026-12-05")


@pytest.mark.usefixtures("developer")
@pytest.mark.parametrize("form", ["jsonl", "markdown", "csv", "sqlite"])
def test_everything_is_exported_and_a_second_time_only_what_is_new(form: str, cli: Cli) -> None:
    run(cli, "conversations", "create", "I will call the dentist by Friday. I like tea.")
    run(cli, "memories", "create", "=HYPERLINK(0) is a strange memory", "--tag", "odd")
    out = "backup.sqlite" if form == "sqlite" else "backup"
    first = as_data(cli, "export", out, "--format", form)
    assert {kind: done["new"] for kind, done in first.items()} == {"conversations": 1, "memories": 2, "action_items": 1}
    run(cli, "memories", "create", "Something new")
    second = as_data(cli, "export", out, "--format", form)
    assert second["memories"] == {"new": 1, "there already": 2}
    assert second["conversations"] == {"new": 0, "there already": 1}
    texts = _exported(form, out)
    assert any("strange memory" in text for text in texts)
    assert any("dentist" in text for text in texts)


def _exported(form: str, out: str) -> list[str]:
    if form == "sqlite":
        with sqlite3.connect(out) as db:
            return [
                row[0]
                for kind in ("conversations", "memories", "action_items")
                for row in db.execute(f"SELECT json FROM {kind}")  # noqa: S608
            ]
    if form == "csv":
        with Path(out, "memories.csv").open(encoding="utf-8", newline="") as table:
            contents = [row["content"] for row in csv.DictReader(table)]
        assert any(content.startswith("'=") for content in contents), "a spreadsheet must not run it"
    return [path.read_text(encoding="utf-8") for path in Path(out).rglob("*") if path.is_file()]


@pytest.mark.usefixtures("developer")
def test_what_was_exported_as_markdown_can_be_imported(sandbox: SandboxControl, cli: Cli) -> None:
    run(cli, "memories", "create", "The key is with Mara", "--tag", "home")
    run(cli, "export", "notes", "--format", "markdown")
    (note,) = Path("notes/memories").glob("*.md")
    assert "tags: home" in note.read_text(encoding="utf-8")
    sandbox.enable("v")
    run(cli, "import", "notes/memories", "--uid", "v")
    assert len(sandbox.conversations("v")) == 1


def test_lists_and_wrong_use(cli: Cli) -> None:
    run(cli, "conversations", "create", "Hello there", "--uid", "u")
    assert "Hello there" in run(cli, "conversations", "list", "--uid", "u").stdout
    assert cli("omi", "conversations", "list").exit_code == 2
    unknown = cli("omi", "memories", "list", "--uid", "stranger")
    assert (unknown.exit_code, "not enabled" in unknown.stderr) == (1, True)
    file("x.bin", "\x00")
    assert cli("omi", "import", "x.bin", "--uid", "u").exit_code == 2
