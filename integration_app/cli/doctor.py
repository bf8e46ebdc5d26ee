"""`doctor`: would this deployment lose messages? Any check that fails ends with exit code 1; a warning does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from redis.exceptions import RedisError

from integration_app import bootstrap, logs
from integration_app.cli.output import FAILED, as_json, clock, has_settings, use_local_stack
from integration_app.errors import SettingsError, StoreUnfit
from integration_app.operations.checks import Check, every, of_settings, redis_away
from integration_app.operations.live import live
from integration_app.operations.online import online


@click.command()
@click.option("--online", "want_online", is_flag=True, help="From outside too: address, certificate, MX, consoles.")
@click.option("--live", "live_uid", metavar="UID", help="Send a test message through everything to this user's Omi.")
@click.option("--json", "want_json", is_flag=True, help="For programs.")
def doctor(want_online: bool, live_uid: str | None, want_json: bool) -> None:
    """Check settings, Redis and Omi. Changes nothing but one probe key in Redis, unless --live is given."""
    use_local_stack()
    logs.configure("text", "error")
    checks: list[Check] = []
    for check in _all(want_online, live_uid):
        checks.append(check)
        if not want_json:
            color = {"ok": "green", "warn": "yellow"}.get(check.mark, "red")
            click.echo(f"{click.style(f'{check.mark:4}', fg=color, bold=not check.ok)}  {check.name}: {check.detail}")
    if want_json:
        as_json([asdict(check) for check in checks])
    sys.exit(0 if all(check.ok or check.warns for check in checks) else FAILED)


def _all(want_online: bool, live_uid: str | None) -> Iterator[Check]:
    try:
        found = bootstrap.build(clock=clock())
    except SettingsError as error:
        if not has_settings():
            words = "there are none: neither in the environment, nor in .env of this folder → omi-inbox init"
            yield Check("settings", False, words)
            return
        yield from of_settings(error)
        return
    yield from every(found)
    try:
        if want_online:
            yield from online(found)
        if live_uid is not None:
            yield from live(found, live_uid)
    except StoreUnfit as error:
        yield Check("at rest", False, f"{error} → list that key too, behind the new one")
    except (RedisError, OSError) as error:
        yield Check("redis", False, redis_away(error))
