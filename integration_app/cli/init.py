"""`omi-inbox init`: ask for what is needed, write `.env`, and make the Redis ours."""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable

import click
from environs import ValidationError
from werkzeug.security import generate_password_hash

from integration_app import setting_values as check
from integration_app.cli.output import (
    SETTINGS_FILE,
    USAGE,
    fail,
    has_settings,
    json_option,
    names_redis,
    operator,
    read_settings_file,
    say,
    services,
)
from integration_app.cli.providers import what_to_paste
from integration_app.errors import SettingsError
from integration_app.providers import registry
from integration_app.providers.base import ProviderSpec
from integration_app.settings import Reader

TEXTS, MAIL, BOTH, CHATS = "texts", "mail", "both", "chats"
_PAGES = {
    "App Home URL": "/",
    "Auth URL": "/setup",
    "Setup Completed URL": "/setup/completed",
    "Chat Tools Manifest URL": "/.well-known/omi-tools.json",
    "Memory Creation Webhook": "/webhooks/omi",
}
"""Fields of the form that Omi has for apps."""


@click.command()
@click.option("--new", is_flag=True, help="Ask and write .env, whatever the environment holds.")
@click.option("--compose", is_flag=True, help="Likewise, for compose.yaml: with a Valkey beside it.")
@json_option
def init(new: bool, compose: bool) -> None:
    """Set this deployment up.

    Without settings: asks for what is needed (texts, mail, both or chats; an app, or yourself alone), writes .env with
    secrets made up for you, and prints what to paste where.

    With settings: makes the Redis at REDIS_URL ours. Until then no message is taken in: an empty or a wrong one would
    lose it. `omi-inbox run` does that by itself for its own.
    """
    if new or compose or not (has_settings() or SETTINGS_FILE.exists()):
        _ask_and_write(for_compose=compose)
        return
    read_settings_file()
    if SETTINGS_FILE.exists() and not names_redis():
        say(f"set up already: omi-inbox run starts it; to begin anew, move {SETTINGS_FILE} away", made=False)
        return
    with services() as found:
        made = found.identity.init(now=found.clock())
    say("this Redis is ours now" if made else "this Redis was ours already", made=bool(made))


def _ask_and_write(*, for_compose: bool) -> None:
    if os.path.lexists(SETTINGS_FILE):
        fail(f"{SETTINGS_FILE} is here already: move it away first", USAGE)
    if not os.access(SETTINGS_FILE.parent, os.W_OK):
        fail(f"this folder cannot be written by {operator()}: {SETTINGS_FILE} has no place here", USAGE)
    click.echo("A few questions; everything can be changed in .env afterwards.\n", err=True)
    values, password = _of_omi(), secrets.token_urlsafe(12)
    values["PUBLIC_BASE_URL"] = _ask("Public address (https://…)", check=check.base_url).rstrip("/")
    specs, of_channels = _channels()
    values |= of_channels
    values |= _of_redis(for_compose=for_compose)
    hashed = generate_password_hash(password).encode()
    values |= {
        "SECRET_KEY": secrets.token_hex(24),
        "DATA_KEYS": secrets.token_hex(32),
        "OPERATOR_PASSWORD_HASH": base64.urlsafe_b64encode(hashed).decode(),
    }
    lines = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
    _write("".join(lines))
    click.echo(f"\n{SETTINGS_FILE} is written, readable by you alone. Keep a copy of it in a safe place.", err=True)
    _say_what_next(values, specs, password, "docker compose up -d" if for_compose else "omi-inbox run")


def _write(text: str) -> None:
    """A file that nobody else has made meanwhile, and nobody else may read."""
    try:
        made = os.open(SETTINGS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        fail(f"{SETTINGS_FILE} cannot be made: {error.strerror}", USAGE)
    with os.fdopen(made, "w", encoding="utf-8") as file:
        file.write(text)


def _of_omi() -> dict[str, str]:
    click.echo("Omi: an app that people enable, or your own account alone?", err=True)
    if _choose("For", ("app", "myself")) == "myself":
        return {"OMI_DEVELOPER_KEY": _ask("Your developer key (Omi app: Settings, Developer)", hidden=True)}
    return {
        "OMI_APP_ID": _ask("App id (Omi app: Apps, your app)"),
        "OMI_API_KEY": _ask("Its API key (on the same page: API Keys)", hidden=True),
    }


def _of_redis(*, for_compose: bool) -> dict[str, str]:
    if for_compose:
        made = secrets.token_hex(24)
        whose = {"INBOX_UID": str(os.getuid()), "INBOX_GID": str(os.getgid())}  # who may read this file
        return {"VALKEY_PASSWORD": made, "REDIS_URL": f"redis://:{made}@valkey:6379/0"} | whose
    url = _ask("Redis URL (empty: omi-inbox run brings its own)", default="", check=_redis)
    return {"REDIS_URL": url} if url else {}


def _channels() -> tuple[list[ProviderSpec], dict[str, str]]:
    """The doors that are wanted, and their settings."""
    wanted = _choose("Take in", (BOTH, TEXTS, MAIL, CHATS))
    values, specs = {}, []
    if wanted in (TEXTS, BOTH):
        values["INBOX_PHONE"] = _ask("Number that people text (+…)", check=_given(check.phone))
        specs.append(_provider("sms", "Provider of the number"))
    if wanted in (MAIL, BOTH):
        values["INBOX_DOMAIN"] = _ask("Domain of private addresses (in.…)", check=_given(check.domain)).lower()
        specs.append(_provider("email", "Provider of its mail"))
    if wanted == CHATS:
        specs.append(_messenger())
    for spec in specs:
        values |= _of_provider(spec) | spec.made()
    return specs, values


def _of_provider(spec: ProviderSpec) -> dict[str, str]:
    """Its settings, asked for until the provider takes them."""
    click.echo(f"{spec.provider.title}:", err=True)
    while True:
        values = {name: _ask(f"  {where}", hidden=True) for name, where in spec.asked.items()}
        mistakes = _mistakes(spec, values)
        if not mistakes:
            return values
        for name, what in mistakes.items():
            click.echo(f"Error: {name} {what}", err=True)


def _mistakes(spec: ProviderSpec, values: dict[str, str]) -> dict[str, str]:
    """What the provider would refuse at start: setting → why."""
    before = {name: os.environ.get(name) for name in values}
    reader = Reader()
    try:
        os.environ.update(values)
        spec.from_env(reader.env)
        reader.close()
    except SettingsError as error:
        return {name: what[0] for name, what in error.mistakes.items() if name in values}
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    return {}


def _provider(channel: str, question: str) -> ProviderSpec:
    known = {
        name: spec
        for name, spec in registry.specs().items()
        if channel in spec.channels and not spec.is_example and (spec.asked or spec.made())
    }
    usual = next((name for name, spec in known.items() if spec.is_usual), None)
    return known[_choose(question, tuple(known), usual)]


def _messenger() -> ProviderSpec:
    known = {name: spec for name, spec in registry.specs().items() if spec.provider.messenger}
    return known[_choose("Messenger", tuple(known))]


def _say_what_next(values: dict[str, str], specs: list[ProviderSpec], password: str, start: str) -> None:
    base = values["PUBLIC_BASE_URL"]
    click.echo("\n# Start\n")
    if "REDIS_URL" in values and "VALKEY_PASSWORD" not in values:
        click.echo("    omi-inbox init          once: this Redis is ours from now on")
    click.echo(f"    {start}")
    click.echo("    omi-inbox doctor        in another terminal: is everything right?\n")
    if "OMI_DEVELOPER_KEY" in values:
        ways = {"INBOX_PHONE": "--phone +15550001111", "INBOX_DOMAIN": "--email"}
        doors = " ".join(word for name, word in ways.items() if name in values) or "--code"
        click.echo(f"    omi-inbox link {doors}        what you send from there is yours")
    else:
        click.echo("\n# In Omi, in the form of your app\n")
        for field, path in _PAGES.items():
            click.echo(f"    {field + ':':25} {base}{path}")
    for spec in specs:
        pairs = [value for name, value in values.items() if name in spec.settings and ":" in value]
        click.echo(f"\n{what_to_paste(spec.name, base, *pairs[:1])}")
    click.echo("\n# Operator's pages\n")
    click.echo(f"    {base}/operator        password, shown this once: {password}")


def _choose(question: str, choices: tuple[str, ...], default: str | None = None) -> str:
    if len(choices) == 1:
        return choices[0]
    return str(click.prompt(question, type=click.Choice(choices), default=default, err=True))


def _ask(
    question: str, *, default: str | None = None, hidden: bool = False, check: Callable[[str], None] = check.not_blank
) -> str:
    """An answer that the setting takes."""

    def read(value: str) -> str:
        if "'" in value or "\\" in value:
            raise click.BadParameter("must not hold a quote or a backslash: no two readers of .env agree on them")
        try:
            check(value.strip())
        except ValidationError as error:
            raise click.BadParameter(str(error.args[0])) from None
        return value.strip()

    hidden = hidden and sys.stdin.isatty()
    return str(
        click.prompt(question, default=default, hide_input=hidden, value_proc=read, err=True, show_default=False)
    )


def _given(rule: Callable[[str], None]) -> Callable[[str], None]:
    def both(value: str) -> None:
        check.not_blank(value)
        rule(value)

    return both


def _redis(value: str) -> None:
    if value:
        check.redis_url(value)


def _quoted(value: str) -> str:
    """As a shell, Docker and python-dotenv read it; quotes, which Docker takes along, only where they are needed."""
    return value if re.fullmatch(r"[\w@%+=:,./~-]*", value) else f"'{value}'"
