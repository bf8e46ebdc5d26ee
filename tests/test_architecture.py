"""The house rules that a machine can hold: see also the import contracts in pyproject.toml."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from integration_app import job_queue
from integration_app.providers import registry
from tests.conftest import REPO

CODE = sorted([*(REPO / "integration_app").rglob("*.py"), *(REPO / "workers").rglob("*.py")])
PROVIDERS = REPO / "integration_app" / "providers"


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_the_dotted_name_of_the_job_leads_somewhere() -> None:
    module, _, function = job_queue.DRAIN_JOB.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(REPO)))
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a paragraph on top: what lives here, what must not"


LONG_FILES = {
    "integration_app/store/keys.py": "one key after the other, with what it holds",
    "integration_app/omi/developer.py": "one client, a method for each call of the Developer API",
    "integration_app/sandbox/developer_data.py": "one resource after the other, as Omi's router has them",
    "integration_app/sandbox/integrations_api.py": "one route after the other, as Omi's router has them",
    "integration_app/sandbox/openapi.py": "a document",
    "integration_app/cli/demo.py": "the steps of one demonstration",
    "integration_app/bootstrap.py": "the only wiring",
    "integration_app/attachments/extract.py": "run by path in a process of its own, so it imports nothing of ours",
    "integration_app/mail/history.py": "one decision, its candidates and its vetoes",
    "integration_app/model/lifecycle.py": "every state, event and reason: what it is for",
}
LONG_FUNCTIONS = {
    "bootstrap._services": "the wiring, one argument a line",
    "control_api.install": "a list of routes",
    "apps_api.install": "a list of routes",
    "openapi._integrations": "a document",
    "openapi._developer": "a document",
}
WIDE_FOLDERS = {
    "integration_app/cli": "a module for each command",
    "integration_app/operations": "a module for each thing that an operator sees",
    "integration_app/providers/common": "a module for each thing that several share",
    "integration_app/sandbox": "plays two APIs, apps, faults and an inspector",
    "integration_app/store": "a module for each kind of key",
    "integration_app/web": "a module for each group of pages",
}
"""Where the limits below do not hold, and why."""


def test_files_stay_below_300_lines() -> None:
    long = {str(path.relative_to(REPO)) for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) > 300}
    assert long == set(LONG_FILES)


def test_functions_stay_below_60_lines() -> None:
    long = {
        f"{path.stem}.{node.name}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    }
    assert long == set(LONG_FUNCTIONS)


def test_folders_stay_below_13_modules() -> None:
    counts = Counter(str(path.parent.relative_to(REPO)) for path in CODE if path.name != "__init__.py")
    assert {name for name, count in counts.items() if count > 12} == set(WIDE_FOLDERS)


def test_templates_are_written_for_people() -> None:
    pages = [*(REPO / "integration_app").rglob("*.html")]
    long = [
        f"{path.name}:{n}"
        for path in pages
        for n, row in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if len(row) > 120
    ]
    assert long == []


def test_providers_are_strangers_to_each_other() -> None:
    folders = {path.parent.name for path in PROVIDERS.glob("*/__init__.py")} - {"common"}
    for folder in folders:
        for path in (PROVIDERS / folder).rglob("*.py"):
            foreign = {
                name
                for name in imports(path)
                for other in folders - {folder}
                if f"{name}.".startswith(f"integration_app.providers.{other}.")
            }
            assert not foreign, path


def test_no_providers_name_stands_outside_its_folder() -> None:
    channels = {channel for spec in registry.specs().values() for channel in spec.channels}
    names = (
        set(registry.specs()) - channels - {"hello", "custom", "resend", "standard-webhooks"}
    )  # words, and a standard
    for path in CODE:
        if PROVIDERS in path.parents:
            continue
        text = path.read_text(encoding="utf-8").lower()
        found = {name for name in names if re.search(rf"""["'/.]{name.replace("-", "[-_]")}["'/.]""", text)}
        assert not found, f"{path.relative_to(REPO)} knows {found}"


def test_only_the_bottom_is_pure() -> None:
    """The deciding modules do no I/O: they import neither stores nor clients of the network."""
    pure = [
        "pipeline/delivery/policy.py",
        "pipeline/delivery/group.py",
        "pipeline/delivery/compose.py",
        "pipeline/delivery/prepare.py",
        "omi/answers.py",
    ]
    for name in pure:
        assert not {found.partition(".")[0] for found in imports(REPO / "integration_app" / name)} & {
            "redis", "requests", "flask", "rq", "time", "random",
        }, name  # fmt: skip
        assert not any("store" in found for found in imports(REPO / "integration_app" / name)), name
