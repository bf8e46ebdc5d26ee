"""`link`, `installations`, `resume`: the operator's hand on who gets what."""

from __future__ import annotations

from typing import Any

import click
import phonenumbers

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.cli.output import (
    NOT_FOUND,
    ONESELF,
    USAGE,
    acting,
    as_json,
    count,
    fail,
    json_option,
    say,
    services,
    table,
    uid_or_oneself,
)
from integration_app.logs import masked
from integration_app.model import Installation
from integration_app.text.addresses import is_linkable


@click.command()
@click.option("--uid", help=f'The Omi user id; with OMI_DEVELOPER_KEY it is yourself, "{ONESELF}".')
@click.option("--phone", help="A phone or account that is this user's: +15550001111, telegram:1555.")
@click.option("--code", "wants_code", is_flag=True, help="A code: who sends it from a phone or chat links that.")
@click.option("--email", is_flag=True, help="Only the private inbox address.")
@click.option("--region", help="Of a phone that is typed without its country code, such as US.")
@click.option("--json", "want_json", is_flag=True)
def link(
    uid: str | None, phone: str | None, wants_code: bool, email: bool, region: str | None, want_json: bool
) -> None:
    """Link a phone to a uid by hand, and print the uid's private inbox address.

    By hand means: you vouch that this phone and this uid belong to the same person.
    """
    if not phone and not email and not wants_code:
        fail("give --phone, --code, --email, or several of them", USAGE)
    number = _e164(phone, region) if phone else None
    with acting() as found:
        uid = uid_or_oneself(found, uid)
        try:
            installation = found.installations.add(uid, now=found.clock())
        except ValueError as error:
            fail(str(error), USAGE)
        if number:
            others = [other for other in found.installations.with_phone(number) if other != uid]
            found.installations.link_phone(uid, number)
            if others:
                click.echo(f"{masked(number)} also serves {', '.join(others)}", err=True)
        address = found.settings.inbox_address(installation.inbox_token)
        code = found.auth.link_codes.new(uid) if wants_code else None
        urls = {row.messenger: row.link_url(code) for row in found.providers.values() if code and row.messenger}
        if want_json:
            said = {"code": code, "links": {name: url for name, url in urls.items() if url}} if code else {}
            as_json({"uid": uid, "phone": number, "inbox_address": address} | said)
            return
        if code:
            click.echo("send this within 15 minutes, from the phone or chat to link:", err=True)
            click.echo("\n".join([code, *(f"{name}: {url}" for name, url in urls.items() if url)]))
        if number:
            click.echo(f"{masked(number)} is linked to {uid}", err=True)
        if address:
            click.echo("private inbox address:", err=True)
            click.echo(address)
        elif email:
            fail(operations.NO_INBOX, USAGE)


@click.command()
@click.option("--json", "want_json", is_flag=True)
def installations(want_json: bool) -> None:
    """List the linked uids: enabled as far as Omi has told us, or left, and why anything waits."""
    with services() as found:
        rows = [_row(found, row) for row in found.installations.all()]
    if want_json:
        as_json(rows)
        return
    table(
        ("uid", "state", "since", "phones", "waiting", "held up"),
        [
            (r["uid"], r["state"], r["since"], " ".join(r["phones"]) or "-", r["waiting"], r["held_up"] or "-")
            for r in rows
        ],
    )


@click.command()
@click.option("--uid", help="The Omi user id; with OMI_DEVELOPER_KEY it is yourself.")
@click.option("--phone", required=True, help="The phone or account whose texts this uid shall not get any more.")
@click.option("--region", help="Of a phone that is typed without its country code, such as US.")
@json_option
def unlink(uid: str | None, phone: str, region: str | None) -> None:
    """Take a phone away from a uid. What has already arrived is still delivered."""
    number = _e164(phone, region)
    with acting() as found:
        uid = uid_or_oneself(found, uid)
        if not found.installations.unlink_phone(uid, number):
            fail(f"{masked(number)} is not linked to {uid}", NOT_FOUND)
        say(f"{masked(number)} is not linked to {uid} any more", uid=uid, unlinked=masked(number))


@click.command()
@click.option("--uid", help="Open this uid's gates: its limit was raised, or the user is back.")
@click.option("--everybody", is_flag=True, help="Open the gates for everybody: what was wrong has been mended.")
@json_option
def resume(uid: str | None, everybody: bool) -> None:
    """Open gates now instead of waiting for their time, and look at what waits behind them."""
    if not uid and not everybody:
        fail("give --uid, --everybody or both", USAGE)
    with acting() as found:
        if uid and found.installations.get(uid) is None:
            fail(f"no installation {uid}", NOT_FOUND)
        uids = [uid] if uid else []
        if everybody:
            found.gates.open_all()
            uids = list(found.installations.uids())
        if uid:
            found.resume(uid)
        waiting = {name: size for name in uids if (size := found.outbox.size(name))}
        for name in waiting:
            found.due.set(name, found.clock())
        closed = [gate for gate in found.gates.of_all().values() if gate.until > found.clock()]
    words = [f"{count(sum(waiting.values()), 'message')} of {count(len(waiting), 'user')} looked at now"]
    words += [f"everybody still waits until {gate.until:%H:%M:%S} UTC: {gate.why}" for gate in closed]
    say("\n".join(words), waiting=waiting, gates={gate.why: gate.until.isoformat() for gate in closed})


def _row(found: Services, installation: Installation) -> dict[str, Any]:
    return {
        "uid": installation.uid,
        "state": installation.state.value,
        "phones": [masked(number) for number in installation.phones],
        "waiting": found.outbox.size(installation.uid),
        "held_up": _held_up(found, installation.uid),
        "since": f"{installation.left_at or installation.created_at:%Y-%m-%d %H:%M}",
    }


def _held_up(found: Services, uid: str) -> str | None:
    """The gate that opens last, in words."""
    now = found.clock()
    closed = [gate for gate in found.gates.of(uid).values() if gate.until > now]
    if not closed:
        return None
    gate = max(closed, key=lambda row: row.until)
    return f"{gate.why}, until {gate.until:%Y-%m-%d %H:%M:%S} UTC"


def _e164(phone: str, region: str | None) -> str:
    if ":" in phone and is_linkable(phone):
        return phone  # an account of a messenger
    if not phone.strip().startswith("+") and not region:
        fail(f"{phone}: begin with + and the country code, or give --region", USAGE)
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        fail(f"{phone} is not a phone number", USAGE)
    if not phonenumbers.is_possible_number(number):
        fail(f"{phone} is not a possible phone number", USAGE)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
