"""`shards`: users over several Redis: who is where, and moving them."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict

import click

from integration_app.bootstrap import Services
from integration_app.cli.output import (
    FAILED,
    NOT_FOUND,
    TRY_LATER,
    USAGE,
    acting,
    as_json,
    count,
    fail,
    json_option,
    say,
    table,
    wants_json,
)
from integration_app.cli.output import services as services_
from integration_app.store.shards.moving import Moving
from integration_app.store.shards.places import Place
from integration_app.store.shards.turn import NoSuchUserError, NotMovedError

_TRIES = 10
_PAUSE_SECONDS = 1.0


@click.group()
def shards() -> None:
    """Users over several Redis (REDIS_URLS): who is where, and moving them."""


@shards.command("list")
@json_option
def list_() -> None:
    """Show every shard, in the order of REDIS_URLS."""
    with services_() as found:
        places = _moving(found).places()
    away = [f"shard {place.number}: {place.away}" for place in places if place.away]
    if wants_json():
        as_json([asdict(place) for place in places])
        sys.exit(TRY_LATER if away else 0)
    table(("shard", "at", "users", "messages", "users who wait", "memory"), [_row(place) for place in places])
    if away:
        fail("; ".join(away), TRY_LATER)


def _row(place: Place) -> tuple[object, ...]:
    if place.used_memory is None:
        return (place.number, place.address, "away", "", "", "")
    memory = f"{place.used_memory / 1e6:.1f} MB"
    return (place.number, place.address, place.users, place.messages, place.waiting, memory)


@shards.command()
@click.argument("uid")
@click.option("--to", type=click.IntRange(0), required=True, help="The number of a shard, as `shards list` shows it.")
@json_option
def move(uid: str, to: int) -> None:
    """Move one user, with everything that waits. Safe beside web and workers, and to repeat."""
    with acting() as found:
        moving, last = _moving(found), len(found.parts) - 1
        if to > last:
            fail(f"there is no shard {to}: they are 0 to {last}", USAGE)
        try:
            is_moved = _move(moving, uid, to)
        except NoSuchUserError as error:
            fail(str(error), NOT_FOUND)
        except NotMovedError as error:
            fail(str(error), TRY_LATER)
        finally:
            moving.done()
    say(f"moved to shard {to}" if is_moved else f"is in shard {to} already", uid=uid, shard=to)


@shards.command()
@click.option("--limit", type=click.IntRange(1), help="Move no more than so many users now.")
@json_option
def rebalance(limit: int | None) -> None:
    """Move users until every shard has as many. Safe beside web and workers, to stop, and to repeat.

    Every web and worker process has to know all of REDIS_URLS by then; new users go to all shards from now on.
    """
    moved = left = 0
    with acting() as found:
        moving = _moving(found)
        found.endpoints.spread(now=found.clock())
        found.identity.open()
        try:
            while (limit is None or moved < limit) and (chosen := moving.next_to_move()):
                try:
                    _move(moving, *chosen)
                    moved += 1
                except NotMovedError as error:
                    left += 1
                    if left > _TRIES:
                        fail(f"{count(moved, 'user')} moved, then: {error}", TRY_LATER)
        finally:
            moving.done()
    say(f"{count(moved, 'user')} moved", moved=moved)


def _move(moving: Moving, uid: str, to: int) -> bool:
    """A worker may be sending for this user: it is waited for."""
    for _ in range(_TRIES - 1):
        try:
            return moving.move(uid, to)
        except NoSuchUserError:
            raise
        except NotMovedError:
            time.sleep(_PAUSE_SECONDS)
    return moving.move(uid, to)


def _moving(found: Services) -> Moving:
    if found.moving is None:
        fail("all users are in one Redis; to spread them, set REDIS_URLS: docs/wider.md", FAILED)
    return found.moving
