"""`migrate`, `keys`, `restored`: what has happened to the data in Redis."""

from __future__ import annotations

from datetime import timedelta

import click

from integration_app.cli.output import FAILED, acting, fail, json_option, say

_ALIVE = timedelta(seconds=60)


@click.command()
@json_option
def migrate() -> None:
    """Bring the data of an earlier release up to this one. Safe to repeat; the first worker does it too."""
    with acting() as found:
        done = found.migrations.run(now=found.clock())
        schema = found.migrations.schema()
        is_ours = found.identity.is_ours()
    if not is_ours:
        fail("this Redis is empty, or another one: omi-inbox init makes it ours", FAILED)
    say("\n".join([*(f"done: {what}" for what in done), f"schema {schema}"]), done=done, schema=schema)


@click.group()
def keys() -> None:
    """The keys under which texts and addresses are sealed in Redis."""


@keys.command()
@json_option
def rotate() -> None:
    """Seal everything under the first of DATA_KEYS. Safe beside workers, and to repeat; then the others can go."""
    with acting() as found:
        if not found.settings.data_keys:
            fail("DATA_KEYS is not set: openssl rand -hex 32 makes one", FAILED)
        done = found.rotation.run()
    say(f"sealed anew: {', '.join(f'{count} {what}' for what, count in sorted(done.items()))}", sealed=done)


@keys.command()
@json_option
def uids() -> None:
    """Seal the uids too, in a store that was begun without DATA_KEYS. Stop web and workers first; safe to repeat."""
    with acting() as found:
        if not found.settings.data_keys:
            fail("DATA_KEYS is not set: openssl rand -hex 32 makes one", FAILED)
        if running := found.health.workers(since=found.clock() - _ALIVE):
            fail(f"{running} workers run: stop them and web, and wait a minute", FAILED)
        done = found.renaming.run()
    say(f"sealed: uids in {', '.join(f'{count} {what}' for what, count in sorted(done.items()))}", sealed=done)


@click.command()
@json_option
def restored() -> None:
    """Say that Redis was restored from a copy: what waits in it is looked up in Omi before it is sent."""
    with acting() as found:
        epoch = found.identity.new_epoch(now=found.clock())
    if epoch is None:
        fail("this Redis is empty, or another one: omi-inbox init makes it ours", FAILED)
    say(f"epoch {epoch}: what was accepted before is looked up in Omi before it is sent", epoch=epoch)
