"""`providers`: which doors are open, and what to paste where. Needs no complete settings: it says which are missing."""

from __future__ import annotations

import os

import click
from environs import Env

from integration_app import mailbox
from integration_app.cli.output import NOT_FOUND, as_json, fail, table, use_local_stack
from integration_app.providers import registry

PLACEHOLDER = "https://inbox.example.com"


@click.group(invoke_without_command=True)
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def providers(context: click.Context, want_json: bool) -> None:
    """List the providers: on or off, and the URL of each."""
    if context.invoked_subcommand:
        return
    base = _base()
    rows = [(name, _state(name), f"{base}/webhooks/{name}", spec.settings) for name, spec in registry.specs().items()]
    rows.append((mailbox.NAME, "on" if _is_set("MAILBOX_HOST") else "off", "read by IMAP", mailbox.SETTINGS))
    if want_json:
        as_json([dict(zip(("name", "state", "url", "settings"), row, strict=True)) for row in rows])
        return
    table(
        ("provider", "state", "url", "settings (* is set)"),
        [(name, state, url, " ".join(map(_marked, settings))) for name, state, url, settings in rows],
    )


@providers.command()
@click.argument("name")
@click.option("--json", "want_json", is_flag=True)
def show(name: str, want_json: bool) -> None:
    """Where to click and what to paste, with your own URL filled in."""
    known = [*registry.specs(), mailbox.NAME]
    if name not in known:
        fail(f"no provider {name}; there are: {', '.join(known)}", NOT_FOUND)
    said = what_to_paste(name, _base())
    if want_json:
        as_json({"name": name, "url": f"{_base()}/webhooks/{name}", "text": said})
        return
    click.echo(said)


def what_to_paste(name: str, base: str, credentials: str = "user:password") -> str:
    """The provider's own page, for this deployment."""
    if name == mailbox.NAME:
        return mailbox.setup_text().rstrip()
    scheme, _, rest = base.rstrip("/").partition("://")
    text = registry.setup_text(name).replace(
        "{url_with_credentials}", f"{scheme}://{credentials}@{rest}/webhooks/{name}"
    )
    return text.replace("{url}", f"{scheme}://{rest}/webhooks/{name}").rstrip()


def _base() -> str:
    use_local_stack()
    base = os.environ.get("PUBLIC_BASE_URL", "").rstrip("/")
    if not base:
        click.echo(f"(PUBLIC_BASE_URL is not set: shown for {PLACEHOLDER})", err=True)
    return base or PLACEHOLDER


def _state(name: str) -> str:
    """On, off, or what is wrong with its settings."""
    env = Env(eager=False)
    on = registry.specs()[name].from_env(env) is not None
    return "wrong" if env._errors else "on" if on else "off"


def _marked(name: str) -> str:
    return f"{name}*" if _is_set(name) else name


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))
