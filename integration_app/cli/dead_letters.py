"""`dead-letters` and `replay`: what was parked, why, and sending it again; counted first, at a capped rate."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from integration_app.bootstrap import Services
from integration_app.cli.output import (
    NOT_FOUND,
    acting,
    as_json,
    count,
    fail,
    json_option,
    operator,
    say,
    services,
    table,
)
from integration_app.model import Delivery, Settled
from integration_app.pipeline.upkeep.replay import DEFAULT_RATE, Cost, Selection

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"])


@click.group("dead-letters", invoke_without_command=True)
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def dead_letters(context: click.Context, want_json: bool) -> None:
    """List parked deliveries: reason, age, attempts."""
    if context.invoked_subcommand is None:
        _list(want_json)


@dead_letters.command("list")
@click.option("--json", "want_json", is_flag=True)
def list_(want_json: bool) -> None:
    """The same list."""
    _list(want_json)


@dead_letters.command()
@click.argument("delivery_id")
@click.option("--json", "want_json", is_flag=True)
def show(delivery_id: str, want_json: bool) -> None:
    """One parked delivery with the stories of its messages. Never their text."""
    with services() as found:
        delivery = found.deliveries.get(delivery_id)
        parked_at = found.dead_letters.parked_at(delivery_id)
        if delivery is None or parked_at is None:
            fail(f"no dead letter {delivery_id}", NOT_FOUND)
        row = _row(found, delivery, parked_at)
        row["messages"] = [story for name in delivery.message_ids if (story := found.timeline.show(name))]
    if want_json:
        as_json(row)
        return
    click.echo(f"{row['id']}: {row['kind']} for {row['uid']}, parked {row['age']} ago after {row['attempts']} attempts")
    click.echo(f"  {row['reason']}")
    for story in row["messages"]:
        click.echo(f"  {story['id']}  {story['channel']} from {story['sender']}, received {story['received_at']}")


@dead_letters.command("replay")
@click.argument("delivery_ids", nargs=-1, required=True)
@click.option("--without-a-look", "blind", is_flag=True, help="Do not read Omi first; what it holds is doubled.")
@json_option
def replay_these(delivery_ids: tuple[str, ...], blind: bool) -> None:
    """Send the named ones again at once. Omi is read first."""
    with acting() as found:
        again = {}
        for delivery_id in delivery_ids:
            moved = found.replays.one(delivery_id, by=_by("dead-letters replay"), blind=blind)
            if not moved:
                fail(f"no dead letter {delivery_id}", NOT_FOUND)
            again[delivery_id] = moved
    say(
        f"{count(sum(again.values()), 'message')} in {count(len(again), 'delivery', 'deliveries')} wait again",
        waiting=again,
    )


@dead_letters.command()
@click.argument("delivery_ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def drop(delivery_ids: tuple[str, ...], yes: bool) -> None:
    """Drop the named ones and their text, for good."""
    if not yes:
        click.confirm(f"drop {count(len(delivery_ids), 'dead letter')} for good?", abort=True, err=True)
    with acting() as found:
        for delivery_id in delivery_ids:
            if not found.replays.drop(delivery_id, by=_by("dead-letters drop")):
                fail(f"no dead letter {delivery_id}", NOT_FOUND)
    say(f"{count(len(delivery_ids), 'dead letter')} dropped", dropped=delivery_ids)


@click.group(invoke_without_command=True)
@click.option("--since", type=MOMENT, help="Parked since then (UTC).")
@click.option("--until", type=MOMENT, help="Parked until then (UTC).")
@click.option("--uid", help="Of one user.")
@click.option("--reason", help="A part of the reason.")
@click.option("--rate", default=DEFAULT_RATE, show_default=True, type=click.FloatRange(0.1, 6000), help="Per minute.")
@click.option("--without-a-look", "blind", is_flag=True, help="Do not read Omi first; what it holds is doubled.")
@click.option("--dry-run", is_flag=True, help="Only count, and say what it costs in quota.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def replay(
    context: click.Context,
    since: datetime | None,
    until: datetime | None,
    uid: str | None,
    reason: str | None,
    rate: float,
    blind: bool,
    dry_run: bool,
    yes: bool,
    want_json: bool,
) -> None:
    """Send parked deliveries again: all of them, or those that fit. Says first what it costs."""
    if context.invoked_subcommand:
        return
    with acting() as found:
        selection = Selection(since=_utc(since), until=_utc(until), uid=uid, reason=reason)
        deliveries = [delivery for delivery, _ in found.replays.find(selection)]
        cost = found.replays.cost(deliveries, rate)
        if not want_json:
            click.echo(_sentence(cost, rate), err=not dry_run)
        if dry_run or not deliveries:
            if want_json:
                as_json(asdict(cost))
            return
        if not yes:
            click.confirm("send them again?", abort=True, err=True)
            if blind:
                click.confirm("without a look: what Omi holds already is doubled. Sure?", abort=True, err=True)
        replay_id = found.replays.start(deliveries, by=_by("replay"), rate=rate, blind=blind)
        if want_json:
            as_json(asdict(cost) | {"replay": replay_id})
        else:
            click.echo(replay_id)
            click.echo(f"watch it: omi-inbox replay status {replay_id} · stop it: … cancel {replay_id}", err=True)


@replay.command()
@click.argument("replay_id")
@click.option("--json", "want_json", is_flag=True)
def status(replay_id: str, want_json: bool) -> None:
    """How far a replay has come."""
    with services() as found:
        row = found.replays.status(replay_id)
    if row is None:
        fail(f"no replay {replay_id}", NOT_FOUND)
    if want_json:
        as_json(asdict(row))
    else:
        click.echo(f"{row.state}: {row.done} of {row.total}, {row.rate:g} a minute, by {row.by}")


@replay.command()
@click.argument("replay_id")
@json_option
def cancel(replay_id: str) -> None:
    """Stop a replay; what it has not sent again stays parked."""
    with acting() as found:
        if not found.replays.cancel(replay_id):
            fail(f"no running replay {replay_id}", NOT_FOUND)
        row = found.replays.status(replay_id)
    say(f"cancelled after {row.done if row else 0}", replay=replay_id, done=row.done if row else 0)


def _list(want_json: bool) -> None:
    with services() as found:
        rows = [_row(found, delivery, at) for delivery, at in found.replays.find(Selection())]
    if want_json:
        as_json(rows)
        return
    table(
        ("id", "uid", "kind", "messages", "age", "attempts", "reason"),
        [(r["id"], r["uid"], r["kind"], r["count"], r["age"], r["attempts"], r["reason"]) for r in rows],
    )
    if unsure := sum(row["unsure"] for row in rows):
        click.echo(f"{unsure} of these may already be in Omi", err=True)


def _row(found: Services, delivery: Delivery, parked_at: datetime) -> dict[str, Any]:
    story = found.inbox.story(delivery.message_ids[0]) if delivery.message_ids else None
    events = story.events if story else ()
    attempts = [event for event in events if isinstance(event, Settled) and event.uid == delivery.uid]
    return {
        "id": delivery.id,
        "uid": delivery.uid,
        "kind": delivery.lane.kind.value,
        "count": len(delivery.message_ids),
        "parked_at": parked_at.isoformat(),
        "age": _age((found.clock() - parked_at).total_seconds()),
        "attempts": sum(event.status is not None for event in attempts),
        "reason": delivery.reason,
        "unsure": delivery.is_unsure,
    }


def _sentence(cost: Cost, rate: float) -> str:
    calls = ", ".join(f"{count} {kind}" for kind, count in sorted(cost.calls.items())) or "none"
    lines = [
        f"{count(cost.dead_letters, 'dead letter')} with {count(cost.messages, 'message')} "
        f"of {count(cost.uids, 'user')}",
        f"at most these calls to Omi: {calls}; put back within {cost.minutes:g} min at {rate:g} a minute",
    ]
    if cost.unsure:
        lines.append(
            f"{cost.unsure} of these may already be in Omi. Omi is read first; where it does not let this app read, "
            "they are parked again, unless --without-a-look is given"
        )
    if cost.over_quota:
        lines.append(f"more than their hour has left, so some will wait: {', '.join(cost.over_quota)}")
    if cost.held_up:
        lines.append(f"held up at the moment: {', '.join(cost.held_up)}")
    return "\n".join(lines)


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _by(command: str) -> str:
    """Provenance: who, and through which command."""
    return f"{operator()} ({command})"


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None
