"""`omi-inbox <provider> …`: ask the vendor itself, for what a webhook may have lost or to have it call us.

A command for each provider that can; none of them is named here.
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
from integration_app.providers.base import Provider, ProviderSpec
from integration_app.store.ingest import DEDUPE_TTL, Receipt

_OLDEST = DEDUPE_TTL - timedelta(days=1)
"""What came in earlier may have been forgotten here, and would be taken for new."""


class WithProviders(Sections):
    """Commands by the names of providers, made when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_with_an_api()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        return known or (_group(cmd_name) if cmd_name in _with_an_api() else None)


def _with_an_api() -> list[str]:
    return [name for name, spec in registry.specs().items() if _keeps_a_list(spec) or _takes_a_webhook(spec)]


def _keeps_a_list(spec: ProviderSpec) -> bool:
    return spec.provider.backfill is not Provider.backfill


def _takes_a_webhook(spec: ProviderSpec) -> bool:
    return spec.provider.set_webhook is not Provider.set_webhook


def _group(name: str) -> click.Group:
    spec = registry.specs()[name]
    short = "Ask the provider what a webhook lost." if _keeps_a_list(spec) else "Tell the provider where to send."
    group = click.Group(name, help=f"Ask the provider itself ({spec.provider.title}).", short_help=short)
    if _keeps_a_list(spec):
        _add_backfill(group, name)
    if _takes_a_webhook(spec):
        _add_set_webhook(group, name)
    return group


def _add_set_webhook(group: click.Group, name: str) -> None:
    @group.command("set-webhook")
    @click.option("--json", "want_json", is_flag=True)
    def set_webhook(want_json: bool) -> None:
        """Have the provider send to PUBLIC_BASE_URL, with the secret that is set here."""
        with services() as found:
            provider = found.providers.get(name)
            if provider is None:
                fail(f"{name} is off: set {', '.join(registry.specs()[name].settings[:3])}", USAGE)
            try:
                done = list(provider.set_webhook(f"{found.settings.public_base_url}/webhooks/{name}"))
            except VendorError as error:
                fail(str(error))
        as_json({"done": done}) if want_json else click.echo("\n".join(done))


def _add_backfill(group: click.Group, name: str) -> None:
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


def _take_in(found: Services, listed: Iterable[InboundMessage], *, dry_run: bool) -> dict[str, int]:
    """Oldest first, so that they are delivered in the order in which they were sent."""
    would = "would be taken in" if dry_run else "taken in"
    counts: Counter[str] = Counter(dict.fromkeys(("listed", would, "already here", "for nobody"), 0))
    words = {Receipt.STORED: "taken in", Receipt.RECORDED: "taken in", Receipt.DUPLICATE: "already here"}
    for message in reversed(list(listed)):
        counts["listed"] += 1
        if dry_run:
            here = found.ingest.knows(message.dedupe_keys, now=found.clock())
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
