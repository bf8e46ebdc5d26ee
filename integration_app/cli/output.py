"""What every command shares: services from the environment or the local stack, tables, JSON, exit codes."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from dotenv import load_dotenv
from redis.exceptions import RedisError

from integration_app import bootstrap, logs
from integration_app.bootstrap import Services
from integration_app.errors import SettingsError, StoreUnfit
from integration_app.local.run import RunError, embedded_url
from integration_app.model import Clock
from integration_app.store.audit import Act
from integration_app.store.outage import why

FAILED, USAGE, NOT_FOUND, TRY_LATER = 1, 2, 3, 75
ONESELF = "me"
"""The uid of the one person whose key is used in personal mode."""

_IDS = (
    "uid", "message_id", "delivery_id", "delivery_ids", "replay_id", "since", "until", "rate", "blind", "dry_run",
    "everybody", "whole",
)  # fmt: skip
"""Of a command's options: what says which; phones and words never do."""
_NARROWEST = 8
SETTINGS_FILE = Path(".env")
_TELLING = ("OMI_APP_ID", "OMI_API_KEY", "OMI_DEVELOPER_KEY")
STACK_FILE = Path(".dev") / "stack.json"


def clock() -> Clock:
    """The clock handed to `main(obj=…)`, else the system's: a test drives every command by its own time."""
    handed: Clock | None = click.get_current_context().obj
    return handed or bootstrap.system_clock


@contextmanager
def services() -> Iterator[Services]:
    """Services for one command; settings mistakes and a missing Redis end it with a sentence and an exit code."""
    use_local_stack()
    logs.configure("text", "warning")
    try:
        yield bootstrap.build(clock=clock())
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreUnfit as error:  # sealed under a key that is not listed, for one
        fail(str(error))
    except (RedisError, OSError) as error:
        (what, cure), where = why(error), "REDIS_URL"
        if os.environ.get("REDIS_URL", "").endswith("/valkey.sock"):
            cure = "is omi-inbox run running in this folder?"
        elif os.environ.get("REDIS_URLS"):
            cure, where = "omi-inbox doctor says which one is away", "REDIS_URLS"
        fail(f"Redis at {where}: {what} → {cure}", TRY_LATER)


@contextmanager
def acting() -> Iterator[Services]:
    """Services for a command that changes something, or shows people's words: it leaves a line in the audit."""
    context, what = click.get_current_context(), "not done"
    with services() as found:
        try:
            yield found
            what = ""
        finally:
            name = ", ".join(filter(None, (context.command_path.partition(" ")[2], what)))
            about = {name: str(value)[:500] for name, value in context.params.items() if name in _IDS and value}
            found.audit.note(Act(found.clock(), f"command line, {operator()}", name, about))


def uid_or_oneself(found: Services, uid: str | None) -> str:
    """The uid that a command is about: in personal mode there is one."""
    if found.omi.is_personal and uid in (None, ONESELF):
        return ONESELF
    if uid is None or found.omi.is_personal:
        fail(f"with OMI_DEVELOPER_KEY there is only {ONESELF!r}" if uid else "give --uid", USAGE)
    return uid


def operator() -> str:
    """Who runs this command, and where."""
    try:
        return f"{getpass.getuser()} on {socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        return socket.gethostname()


def local_stack() -> dict[str, Any] | None:
    """What `omi-inbox dev` wrote down about the stack that it runs here."""
    try:
        found: dict[str, Any] = json.loads(STACK_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def has_settings() -> bool:
    """Whether the environment holds this deployment's settings: it names an app, or a person."""
    return any(name.removesuffix("_FILE") in _TELLING for name in os.environ)


def read_settings_file() -> bool:
    """Take `.env` of this folder, or the file that a container is given, when the environment has no settings.

    Whether there was one.
    """
    mounted = Path(os.environ.get("SETTINGS") or "/run/secrets/settings")
    found = next((path for path in (SETTINGS_FILE, mounted) if path.is_file()), None)
    if has_settings() or found is None:
        return False
    try:
        load_dotenv(found, interpolate=False)
    except OSError as error:
        fail(f"{found} cannot be read: {error.strerror}", USAGE)
    except ValueError:
        fail(f"{found} cannot be read: it is not UTF-8, or holds a NUL", USAGE)
    return True


def use_local_stack() -> None:
    """Take the settings of `.env`, or of the local stack, when the environment has none."""
    had = has_settings()
    from_file = read_settings_file()
    if had or from_file:
        _use_embedded(always=from_file)
        if from_file:
            _remark("settings of a file")
        return
    stack = local_stack()
    if stack:
        os.environ.update(stack["env"])
        _remark(f"settings of the local stack, {STACK_FILE}")


def _use_embedded(*, always: bool) -> None:
    """Where no Redis is named: that of `omi-inbox run`, if there is one."""
    data = Path(os.environ.get("DATA_FOLDER") or "data")
    if names_redis() or not (always or (data / "valkey").is_dir()):
        return
    try:
        os.environ["REDIS_URL"] = embedded_url(data)
    except RunError as error:
        fail(str(error), USAGE)


def names_redis() -> bool:
    """Whether the environment says which Redis it is."""
    return any(os.environ.get(name) for name in ("REDIS_URL", "REDIS_URL_FILE", "REDIS_URLS", "REDIS_URLS_FILE"))


def _remark(words: str) -> None:
    """For a person at a terminal alone."""
    if sys.stderr.isatty():
        click.echo(f"({words})", err=True)


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    if wants_json():
        as_json({"error": sentence})
    click.echo(sentence, err=True)
    sys.exit(code)


def _note_json(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    context.meta["json"] = wanted


def wants_json() -> bool:
    """Whether this command was given `--json` by `json_option`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get("json"))


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_note_json, help="Say what was done as JSON."
)
"""For a command that acts, and says so with `say`."""


def say(words: str, **facts: Any) -> None:
    """What was done: a sentence on standard error, or with `--json` its facts on standard output."""
    if wants_json():
        as_json(facts)
    else:
        click.echo(words, err=True)


def count(number: int, one: str, many: str = "") -> str:
    """`1 message`, `2 messages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def as_json(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo(text.encode("utf-8", "replace").decode())  # an id may hold half an emoji


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need to be; at a terminal the widest give way. An empty one says so on standard error."""
    if not rows:
        click.echo("nothing", err=True)
        return
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    if sys.stdout.isatty():
        _fit(widths, shutil.get_terminal_size().columns)
    for number, row in enumerate(cells):
        line = "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def _fit(widths: list[int], room: int) -> None:
    """Make the widest columns narrower, the ids in the first one last, until all of it fits."""
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths[1:], default=0) > _NARROWEST:
        widest = max(range(1, len(widths)), key=lambda column: widths[column])
        widths[widest] -= 1


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"
