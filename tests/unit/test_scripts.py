"""Lua scripts: heads, names, literals, and that every call in the code passes what its script declares."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from redis import Redis

from integration_app.store import keys, scripts
from integration_app.store.scripts import HERE, assemble
from tests.conftest import REPO
from tests.lua import CONSTANTS, LUA_FILES

NAMES = [(path.parent, path.stem) for path in LUA_FILES if path.parent.name != "includes"]


@pytest.mark.parametrize(("folder", "name"), NAMES, ids=lambda value: str(getattr(value, "name", value)))
def test_every_script_is_put_together(folder: Path, name: str) -> None:
    source = assemble(name, CONSTANTS, folder)
    assert source.text.startswith("#!lua"), "a cluster refuses what would cross slots"
    assert not re.search(r"\b[KC]\.[a-z_]+\b", source.text), "every name has become a literal"
    assert not re.search(r"\b(ARGV|KEYS)\[\d", source.text), "arguments go by name"


def test_no_file_spells_a_key() -> None:
    spelled = [path.name for path in LUA_FILES if keys.PREFIX in path.read_text(encoding="utf-8")]
    assert spelled == []
    code = [*(REPO / "integration_app").rglob("*.py"), *(REPO / "workers").rglob("*.py")]
    by_hand = [
        str(path.relative_to(REPO))
        for path in code
        if path.name != "keys.py" and re.search(rf"[\"']{keys.PREFIX}", path.read_text(encoding="utf-8"))
    ]
    assert by_hand == []


def test_no_lua_stands_in_python() -> None:
    code = [*(REPO / "integration_app").rglob("*.py"), *(REPO / "workers").rglob("*.py")]
    assert [path.name for path in code if "redis.call(" in path.read_text(encoding="utf-8")] == []


def test_a_call_that_misses_an_argument_fails_here() -> None:
    script = scripts.load(Redis(port=1), "renew")  # a script that is called with too little never gets as far
    given = {"lease": "l", "uid": "u", "token": "t", "lease_ms": 1, "now_ms": 2}
    assert script._arguments(given) == (["l"], ["u", "t", 1, 2])
    with pytest.raises(TypeError, match="now_ms"):
        script(lease="l", uid="u", token="t", lease_ms=1)
    with pytest.raises(TypeError, match="colour"):
        script(**given, colour="red")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("--- x\n-- @returns y\nreturn 1\n", "@repeat"),
        ("--- x\n-- @returns y\n-- @repeat z\nreturn K.nothing\n", "K.nothing"),
        ("--- x\n-- @returns y\n-- @repeat z\nreturn C.nothing\n", "C.nothing"),
    ],
)
def test_a_script_that_lacks_something_fails_when_it_is_loaded(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "x.lua").write_text(text)
    with pytest.raises(ValueError, match=re.escape(what)):
        assemble("x", {}, tmp_path)


def test_every_call_in_the_code_passes_what_its_script_declares() -> None:
    """Statically: `self._name = load(redis, "file", …)` and each `self._name(…)` with keywords alone."""
    checked = 0
    for path in [*(REPO / "integration_app").rglob("*.py"), *(REPO / "workers").rglob("*.py")]:
        for loaded in [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)
        ]:
            checked += _calls_fit(loaded, path)
    assert checked >= 25


def _calls_fit(loaded: ast.ClassDef, path: Path) -> int:
    names = {}
    for node in ast.walk(loaded):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _called(node.value) == "load":
            (target,) = node.targets
            assert isinstance(target, ast.Attribute)
            names[target.attr] = ast.literal_eval(node.value.args[1])
    checked = 0
    for node in ast.walk(loaded):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
            name = names[node.func.attr]
            folder = HERE if (HERE / f"{name}.lua").exists() else path.parent / "lua"
            source = assemble(name, CONSTANTS, folder)
            wanted = {*source.keys, *source.args} | ({source.rest} if source.rest else set())
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            unpacked = any(keyword.arg is None for keyword in node.keywords)
            assert not node.args, f"{path.name}: {name} is called by position"
            assert given == wanted or (unpacked and given <= wanted), f"{path.name}: {name} {given ^ wanted}"
            checked += 1
    return checked


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""
