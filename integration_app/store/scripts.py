"""Lua scripts: one file each, with keys and arguments by name.

A file begins with its head:

    --- What it does.
    -- @keys lease due                  KEYS, in this order, as locals of these names
    -- @args uid now_ms:number ids...   ARGV likewise; `:number` converts, `...` takes all that is left, as a table
    -- @returns what the caller gets
    -- @repeat why a second run of the same call does no harm
    -- @flags no-writes allow-oom      what a full Redis may still run; without it Redis refuses before the first write
    -- @include claim                   lua/includes/claim.lua, once, above the body

`K.name` stands for a key or prefix of `keys.TABLE`, `C.name` for a constant handed to `load`; both become literals
here, and a name that does not exist fails here. A call that misses an argument fails in Python, not in Redis.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

from integration_app.store import keys
from integration_app.store.line import Line
from integration_app.store.tags import Packer, tag_of

HERE = Path(__file__).parent / "lua"

_TAG = re.compile(r"^-- @(\w+) ?(.*)$")
_NAME = re.compile(r"\b([KC])\.([a-z_]+)\b")
_WANTED = ("returns", "repeat")


@dataclass(frozen=True, slots=True)
class Source:
    """A script, put together. `rest` names the argument that takes all that is left."""

    name: str
    text: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    rest: str | None


class Script:
    """`script(uid="u", now_ms=1, ids=["a"])`: every declared key and argument, by name, and no other."""

    def __init__(self, redis: Redis, source: Source) -> None:
        self._source = source
        self._redis = redis
        self._is_tagged = bool(tag_of(redis))
        pool = redis.connection_pool
        self._line = getattr(pool, "line", None) or Line(pool)
        self._packer = pool.connection_kwargs.get("command_packer") or Packer()
        self._names = len(source.keys) + len(source.args) + (source.rest is not None)
        self._sha = hashlib.sha1(source.text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, **given: Any) -> Any:
        found, args = self._arguments(given)
        command = ("EVALSHA", self._sha, len(found), *found, *args)
        try:
            return self._ask(command)
        except NoScriptError:
            self._redis.script_load(self._source.text)
            return self._ask(command)

    def _ask(self, command: tuple[Any, ...]) -> Any:
        """Past redis-py's layers in between: those cost more than the trip."""
        return self._line.ask(b"".join(self._packer.pack(*command)))

    def replicated(self, replicas: int, wait_ms: int, **given: Any) -> tuple[Any, int]:
        """The same, and how many replicas have it; asked on the same connection, for WAIT covers no other's writes."""
        found, args = self._arguments(given)
        try:
            return self._run_and_wait(replicas, wait_ms, found, args)
        except NoScriptError:
            self._redis.script_load(self._source.text)
            return self._run_and_wait(replicas, wait_ms, found, args)

    def _run_and_wait(self, replicas: int, wait_ms: int, found: list[Any], args: list[Any]) -> tuple[Any, int]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command("EVALSHA", self._sha, len(found), *found, *args)
        pipe.execute_command("WAIT", replicas, wait_ms)
        answer, acknowledged = pipe.execute()
        return answer, int(acknowledged)

    def _arguments(self, given: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        source = self._source
        try:
            found = [given[name] for name in source.keys]
            if self._is_tagged:
                found.append(keys.ANCHOR)  # a node that has not all of its slot sends it away
            args = [given[name] for name in source.args]
            if source.rest is not None:
                args.extend(given[source.rest])
        except KeyError as missing:
            raise TypeError(f"{source.name}.lua needs {missing}") from None
        if len(given) != self._names:
            raise TypeError(f"{source.name}.lua does not know {set(given) - set(self.declared())}")
        return found, args

    def declared(self) -> Iterable[str]:
        yield from (*self._source.keys, *self._source.args)
        if self._source.rest is not None:
            yield self._source.rest


def load(redis: Redis, name: str, constants: Mapping[str, str | int] | None = None, folder: Path = HERE) -> Script:
    """The script `<folder>/<name>.lua`. A constant that is a string is put in as it stands, as Lua."""
    return Script(redis, assemble(name, constants or {}, folder, tag_of(redis)))


def assemble(name: str, constants: Mapping[str, str | int], folder: Path = HERE, tag: str = "") -> Source:
    """Raises `ValueError` for a head that lacks something, and for a name that nothing stands for."""
    raw = _read(folder / f"{name}.lua")
    tags = _tags(raw)
    if absent := [tag for tag in _WANTED if tag not in tags]:
        raise ValueError(f"{name}.lua does not say @{', @'.join(absent)}")
    key_names = tuple(tags.get("keys", "").split())
    declared = tags.get("args", "").split()
    rest = declared.pop().removesuffix("...") if declared and declared[-1].endswith("...") else None
    numbers = [entry.removesuffix(":number") for entry in declared if entry.endswith(":number")]
    arg_names = tuple(entry.removesuffix(":number") for entry in declared)
    included = "".join(_includes(tags, set()))
    body = "\n".join(line for line in raw.split("\n") if not line.startswith("--"))
    flags = ",".join(tags.get("flags", "").split())
    text = (
        f"#!lua{' flags=' + flags if flags else ''}\n" + included + _locals(key_names, arg_names, numbers, rest) + body
    )
    return Source(name, _with_literals(name, text, constants, tag), key_names, arg_names, rest)


def _locals(key_names: tuple[str, ...], arg_names: tuple[str, ...], numbers: list[str], rest: str | None) -> str:
    lines = []
    if key_names:
        lines.append(f"local {', '.join(key_names)} = unpack(KEYS)")
    if arg_names:
        lines.append(f"local {', '.join(arg_names)} = unpack(ARGV, 1, {len(arg_names)})")
    lines += [f"{name} = tonumber({name})" for name in numbers]
    if rest:
        lines.append(f"local {rest} = {{}}")
        lines.append(f"for i = {len(arg_names) + 1}, #ARGV do {rest}[i - {len(arg_names)}] = ARGV[i] end")
    return "".join(f"{line}\n" for line in lines)


def _includes(tags: Mapping[str, str], done: set[str]) -> Iterable[str]:
    for name in tags.get("include", "").split():
        if name in done:
            continue
        done.add(name)
        raw = _read(HERE / "includes" / f"{name}.lua")
        yield from _includes(_tags(raw), done)
        yield "\n".join(line for line in raw.split("\n") if not line.startswith("--")) + "\n"


def _with_literals(name: str, text: str, constants: Mapping[str, str | int], tag: str) -> str:
    def literal(found: re.Match[str]) -> str:
        if found[1] == "K" and found[2] in keys.TABLE:
            return f"'{tag}{keys.TABLE[found[2]]}'"
        if found[1] == "C" and found[2] in constants:
            return str(constants[found[2]])
        raise ValueError(f"{name}.lua: nothing stands for {found[0]}")

    return _NAME.sub(literal, text)


def _tags(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in raw.split("\n"):
        if match := _TAG.match(line):
            found[match[1]] = f"{found.get(match[1], '')} {match[2]}".strip()
    return found


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
