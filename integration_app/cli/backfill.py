"""`omi-inbox <provider> backfill`: ask the vendor itself for what a webhook may have lost.

A command for each provider that keeps a list of messages; none of them is named here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import click

from integration_app.bootstrap import Services
from integration_app.cli.groups import Sections
from integration_app.cli.output import FAILED, TRY_LATER, USAGE, as_json, fail, services
from integration_app.errors import DoorError, VendorError
from integration_app.model import InboundMessage
from integration_app.providers import registry
from integration_app.providers.base import Provider
from integration_app.store.ingest import DEDUPE_TTL, Receipt

_OLDEST = DEDUPE_TTL - timedelta(days=1)
"""What came in earlier may have been forgotten here, and would be taken for new."""


class WithProviders(Sections):
    """Commands by the names of providers, made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_with_a_list()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        return known or (_group(cmd_name) if cmd_name in _with_a_list() else None)


def _with_a_list() -> list[str]:
    return [name for name, spec in registry.specs().items() if spec.provider.backfill is not Provider.backfill]


def _group(name: str) -> click.Group:
    title = registry.specs()[name].provider.title
    group = click.Group(
        name, help=f"Ask the provider itself ({title}).", short_help="Ask the provider what a webhook lost."
    )

    @group.command()
    @click.option("--since", required=True, help="A date or time (UTC), or how long ago: 2h, 3d.")
    @click.option("--dry-run", is_flag=True, help="Only count what there is.")
    @click.option("--json", "want_json", is_flag=True)
    def backfill(since: str, dry_run: bool, want_json: bool) -> None:
        """Take in the messages of which no webhook arrived. Those that did arrive are left alone.

        Texts only: calls are not listed.
        """
        with services() as found:
            if name not in found.providers:
                fail(f"{name} is off: set {', '.join(registry.specs()[name].settings[:2])}", USAGE)
            start = _since(since, found.clock())
            listed = found.providers[name].backfill(start)
            try:
                counts = _take_in(found, listed, dry_run=dry_run)
            except VendorError as error:
                fail(str(error), TRY_LATER if "does not answer" in str(error) else FAILED)
        if want_json:
            as_json({"since": start.isoformat(), **counts})
            return
        click.echo(f"since {start:%Y-%m-%d %H:%M} UTC: " + ", ".join(f"{n} {what}" for what, n in counts.items()))

    return group


def _take_in(found: Services, listed: Iterable[InboundMessage], *, dry_run: bool) -> dict[str, int]:
    """Oldest first, so that they are delivered in the order in which they were sent."""
    would = "would be taken in" if dry_run else "taken in"
    counts: Counter[str] = Counter(dict.fromkeys(("listed", would, "already here", "for nobody"), 0))
    words = {Receipt.STORED: "taken in", Receipt.RECORDED: "taken in", Receipt.DUPLICATE: "already here"}
    for message in reversed(list(listed)):
        counts["listed"] += 1
        if dry_run:
            here = found.ingest.knows(message.dedupe_keys)
            is_linked = message.control or found.installations.with_phone(message.sender)
            counts["already here" if here else would if is_linked else "for nobody"] += 1
            continue
        try:
            counts[words[found.intake.accept(message).receipt]] += 1
        except DoorError:
            counts["for nobody"] += 1
    return dict(counts)


def _since(text: str, now: datetime) -> datetime:
    units = {"m": 60, "h": 3600, "d": 86400}
    if text[:-1].isdigit() and text[-1:] in units:
        start = now - timedelta(seconds=int(text[:-1]) * units[text[-1]])
    else:
        try:
            start = datetime.fromisoformat(text)
        except ValueError:
            fail(f"{text!r} is neither a time such as 2026-11-19T08:00 nor a span such as 2h", USAGE)
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
    if start < now - _OLDEST:
        fail(f"ids are remembered for {DEDUPE_TTL.days} days: begin later than {now - _OLDEST:%Y-%m-%d}", USAGE)
    if start > now:
        fail(f"{start:%Y-%m-%d %H:%M} UTC is still to come", USAGE)
    return start
