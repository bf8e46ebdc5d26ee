"""`link`, `installations`, `resume`: the operator's hand on who gets what."""

from __future__ import annotations

from typing import Any

import click
import phonenumbers

from integration_app.bootstrap import Services
from integration_app.cli.output import NOT_FOUND, USAGE, as_json, fail, services, table
from integration_app.logs import masked
from integration_app.model import Installation


@click.command()
@click.option("--uid", required=True, help="The Omi user id.")
@click.option("--phone", help="A phone that this user has proven to own, such as +15550001111.")
@click.option("--email", is_flag=True, help="Only the private inbox address.")
@click.option("--region", default="US", show_default=True, help="For a phone typed without country code.")
@click.option("--json", "want_json", is_flag=True)
def link(uid: str, phone: str | None, email: bool, region: str, want_json: bool) -> None:
    """Link a phone to a uid by hand, and print the uid's private inbox address.

    By hand means: you vouch that this phone and this uid belong to the same person.
    """
    if not phone and not email:
        fail("give --phone, --email or both", USAGE)
    number = _e164(phone, region) if phone else None
    with services() as found:
        try:
            installation = found.installations.add(uid, now=found.clock())
        except ValueError as error:
            fail(str(error), USAGE)
        if number:
            found.installations.link_phone(uid, number)
        address = _inbox_address(found, installation)
        if want_json:
            as_json({"uid": uid, "phone": number, "inbox_address": address})
            return
        if number:
            click.echo(f"{masked(number)} is linked to {uid}", err=True)
        click.echo("private inbox address:", err=True)
        click.echo(address)


@click.command()
@click.option("--json", "want_json", is_flag=True)
def installations(want_json: bool) -> None:
    """List the uids that enabled the app, and those that left."""
    with services() as found:
        rows = [_row(found, row) for row in found.installations.all()]
    if want_json:
        as_json(rows)
        return
    table(
        ("uid", "state", "phones", "waiting", "since"),
        [(r["uid"], r["state"], " ".join(r["phones"]) or "-", r["waiting"], r["since"]) for r in rows],
    )


@click.command()
@click.option("--uid", required=True)
def resume(uid: str) -> None:
    """A user who left is back, or a gate shall open now: send what waits for this uid at once."""
    with services() as found:
        if found.installations.get(uid) is None:
            fail(f"no installation {uid}", NOT_FOUND)
        found.installations.mark_enabled(uid)
        found.gates.open(uid)
        found.due.set(uid, found.clock())
        click.echo(f"{found.outbox.size(uid)} waiting for {uid}, sent from now on", err=True)


def _row(found: Services, installation: Installation) -> dict[str, Any]:
    return {
        "uid": installation.uid,
        "state": installation.state.value,
        "phones": [masked(number) for number in installation.phones],
        "waiting": found.outbox.size(installation.uid),
        "since": f"{installation.left_at or installation.created_at:%Y-%m-%d %H:%M}",
    }


def _inbox_address(found: Services, installation: Installation) -> str:
    return f"{installation.inbox_token}@{found.settings.inbox_domain}"


def _e164(phone: str, region: str) -> str:
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        fail(f"{phone} is not a phone number", USAGE)
    if not phonenumbers.is_possible_number(number):
        fail(f"{phone} is not a possible phone number", USAGE)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
