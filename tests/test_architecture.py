"""The house rules that a machine can hold: see also the import contracts in pyproject.toml."""

from __future__ import annotations

import ast
import importlib
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


def test_files_stay_small() -> None:
    long = {str(path.relative_to(REPO)): lines for path in CODE if (lines := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_providers_are_strangers_to_each_other() -> None:
    folders = {path.parent.name for path in PROVIDERS.glob("*/__init__.py")} - {"common"}
    for folder in folders:
        for path in (PROVIDERS / folder).rglob("*.py"):
            foreign = {
                name
                for name in imports(path)
                for other in folders - {folder}
                if name.startswith(f"integration_app.providers.{other}")
            }
            assert not foreign, path


def test_no_providers_name_stands_outside_its_folder() -> None:
    names = set(registry.specs())
    for path in CODE:
        if PROVIDERS in path.parents:
            continue
        found = {name for name in names - {"hello"} if name in path.read_text(encoding="utf-8").lower()}
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
