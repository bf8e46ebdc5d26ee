"""Every example, run as a program against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import REPO
from tests.sandbox_control import SandboxControl
from tests.unit.test_readers import VTT

EXAMPLES = REPO / "examples"


class Examples:
    def __init__(self, sandbox: SandboxControl, folder: Path) -> None:
        self.folder, self.tried = folder, set[str]()
        sandbox.enable("me")
        made = requests.post(f"{sandbox.url}/_sandbox/users/me/keys", json={}, timeout=5).json()
        self._env = os.environ | {
            "OMI_BASE_URL": sandbox.url,
            "OMI_APP_ID": sandbox.app_id,
            "OMI_API_KEY": sandbox.api_key,
            "OMI_UID": "me",
            "OMI_DEVELOPER_KEY": made["key"],
            "PYTHONPATH": str(REPO),
        }

    def run(self, name: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / f"{name}.py"), *words],
            cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def examples(sandbox: SandboxControl, tmp_path: Path) -> Examples:
    return Examples(sandbox, tmp_path)


def test_each_example_has_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert all(f'run("{path.stem}"' in here for path in EXAMPLES.glob("*.py"))
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in listed for path in EXAMPLES.glob("*.py"))


def test_the_test_suite_of_another_app() -> None:
    """`examples/another_app`: as its developer runs it, with the fixture alone."""
    words = ["-q", "-p", "no:xdist", "-p", "no:randomly", "-p", "no:cacheprovider", "-c", os.devnull, "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=EXAMPLES / "another_app", capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_journal(examples: Examples, sandbox: SandboxControl) -> None:
    examples.run("journal", "Slept well. I need to call Mara tomorrow.")
    assert sandbox.texts("me") == ["Slept well. I need to call Mara tomorrow."]


def test_meeting_summary(examples: Examples, sandbox: SandboxControl) -> None:
    name = examples.file("2026-11-20 1000 planning.vtt", VTT)
    said = [examples.run("meeting_summary", name, "Ana Pérez") for _ in range(2)]
    assert "to do: Send the budget by Friday (by 20 Nov)" in said[0] or "to do: Send the budget by Friday" in said[0]
    assert len(sandbox.conversations("me")) == 1


def test_health_tracker(examples: Examples, sandbox: SandboxControl) -> None:
    name = examples.file("week.csv", "date,steps,sleep\n2026-11-16,8000,7.5\n2026-11-17,12000,6.5\n")
    examples.run("health_tracker", name)
    assert "10,000 steps a day, most on 2026-11-17" in sandbox.texts("me")[0]


def test_knowledge_base(examples: Examples, sandbox: SandboxControl) -> None:
    name = examples.file("tea.txt", "Green tea is steeped at eighty degrees. Short.")
    assert examples.run("knowledge_base", name).strip() == "Green tea is steeped at eighty degrees."
    assert len(sandbox.memories("me")) == 1


def test_contacts(examples: Examples, sandbox: SandboxControl) -> None:
    name = examples.file(
        "c.vcf", "BEGIN:VCARD\nFN:Mara Silva\nTEL;TYPE=cell:+15550002222\nEMAIL:mara@example.com\nEND:VCARD\n"
    )
    examples.run("contacts", name)
    assert sandbox.memories("me")[0]["content"] == "Mara Silva: phone +15550002222, e-mail mara@example.com"


def test_analytics(examples: Examples) -> None:
    examples.run("journal", "The meeting about the budget went well.")
    examples.run("analytics", "out.html")
    page = (examples.folder / "out.html").read_text(encoding="utf-8")
    assert "<h1>1 conversations" in page
    assert page.count("<rect") == 1
    assert "work" in page


def test_task_sync(examples: Examples) -> None:
    examples.run("journal", "I will water the plants by 2026-12-01.")
    examples.file("todo.txt", "Pay rent due:2026-12-05\nx Call Mara\n")
    examples.run("task_sync", "todo.txt")
    lines = (examples.folder / "todo.txt").read_text(encoding="utf-8").splitlines()
    assert set(lines) == {"Pay rent due:2026-12-05", "x Call Mara", "Water the plants by 2026-12-01 due:2026-12-01"}
    examples.file("todo.txt", "x Pay rent due:2026-12-05\n")
    assert "0 new in Omi, 3 in todo.txt" in examples.run("task_sync", "todo.txt")


def test_notes_to_memories(examples: Examples, sandbox: SandboxControl) -> None:
    (examples.folder / "notes").mkdir()
    for number in range(30):
        examples.file(f"notes/{number}.md", f"---\ntags: n{number}\n---\n- note number {number}\n")
    assert examples.run("notes_to_memories", "notes").strip() == "Created 30 memories"
    assert len(sandbox.memories("me")) == 30
