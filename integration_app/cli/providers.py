"""`providers`: which doors are open, and what to paste where."""

from __future__ import annotations

import click

from integration_app.cli.output import NOT_FOUND, fail, services, table
from integration_app.providers import registry


@click.group(invoke_without_command=True)
@click.pass_context
def providers(context: click.Context) -> None:
    """List the providers: on or off, and the URL of each."""
    if context.invoked_subcommand:
        return
    with services() as found:
        base = found.settings.public_base_url
        table(
            ("provider", "state", "url", "settings"),
            [
                (name, "on" if name in found.providers else "off", f"{base}/webhooks/{name}", " ".join(spec.settings))
                for name, spec in registry.specs().items()
            ],
        )


@providers.command()
@click.argument("name")
def show(name: str) -> None:
    """Where to click and what to paste, with your own URL filled in."""
    if name not in registry.specs():
        fail(f"no provider {name}; there are: {', '.join(registry.specs())}", NOT_FOUND)
    with services() as found:
        base = found.settings.public_base_url
    scheme, _, rest = base.partition("://")
    url, with_credentials = f"{base}/webhooks/{name}", f"{scheme}://user:password@{rest}/webhooks/{name}"
    text = registry.setup_text(name).replace("{url_with_credentials}", with_credentials)
    click.echo(text.replace("{url}", url).rstrip())
