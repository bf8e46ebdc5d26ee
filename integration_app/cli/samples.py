"""`send-sample`: sign and send a webhook exactly as the vendor would."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import click
import requests

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.cli.output import FAILED, TRY_LATER, USAGE, as_json, clock, fail, services, use_local_stack
from integration_app.providers import registry
from integration_app.providers.base import Outcome, OutgoingRequest, ProviderSpec, SampleMessage, Sender

TAKEN_IN = (Outcome.STORED, Outcome.DUPLICATE, Outcome.RECORDED, Outcome.ACKNOWLEDGED)


def names() -> list[str]:
    """`<provider>-<sample>` for every sample of every provider whose settings are here."""
    return [f"{spec}-{sample}" for spec, sender in _senders(os.environ) for sample in sender.samples()]


@click.command("send-sample")
@click.argument("name", required=False)
@click.option("--to", "url", help="Base URL to send to; default PUBLIC_BASE_URL.")
@click.option("--phone", help="Sender's phone; default the first linked one.")
@click.option(
    "--account", help="Sender's account at the messenger, such as telegram:1555; default the first linked one."
)
@click.option("--inbox", help="Private inbox address; default the first installation's.")
@click.option("--text", help="Other words than the sample's.")
@click.option("--json", "want_json", is_flag=True)
def send_sample(
    name: str | None,
    url: str | None,
    phone: str | None,
    account: str | None,
    inbox: str | None,
    text: str | None,
    want_json: bool,
) -> None:
    """Send a signed sample: <provider>-<sample>, or the first one of <provider>. Without NAME: list them.

    Exit code 1 unless it was taken in: several vendors are answered 200 for what is thrown away, too.
    """
    use_local_stack()
    known = names()
    if not name:
        as_json(known) if want_json else click.echo("\n".join(known))
        return
    name = name if name in known else next((full for full in known if full.startswith(f"{name}-")), name)
    if name not in known:
        fail(f"no sample {name}; there are: {', '.join(known)}", USAGE)
    provider, _, sample = name.rpartition("-")
    sender = dict(_senders(os.environ))[provider]
    message = sender.samples()[sample]
    if "{account}" in message.sender:
        message = replace(message, sender=account or _linked_account(registry.specs()[provider]))
    message = _filled(message, phone, inbox)
    if text is not None:
        message = replace(message, text=text, html=None)
    base = (url or os.environ.get("PUBLIC_BASE_URL", "")).rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        fail(f"{base!r} is no URL: give --to https://…, or set PUBLIC_BASE_URL", USAGE)
    try:
        answer = send(base, sender.build_request(message, base, clock()()))
    except ValueError as error:
        fail(str(error), USAGE)
    except requests.RequestException as error:
        fail(f"{base} does not answer ({type(error).__name__})", TRY_LATER)
    outcome = answer.headers.get("X-Outcome", "the answer does not say what became of it")
    if want_json:
        as_json({"status": answer.status_code, "outcome": outcome})
    else:
        click.echo(f"{answer.status_code} {answer.reason}: {outcome}")
    if outcome not in TAKEN_IN:
        fail("not taken in", FAILED)
    click.echo("see it: omi-inbox messages", err=True)


def send(base_url: str, outgoing: OutgoingRequest) -> requests.Response:
    """Send a request as composed; no redirects, as vendors do."""
    return requests.request(
        outgoing.method,
        base_url + outgoing.path,
        data=outgoing.body,
        headers=dict(outgoing.headers),
        timeout=15,
        allow_redirects=False,
    )


def _senders(env: Mapping[str, str]) -> list[tuple[str, Sender]]:
    specs = registry.specs().values()
    return [
        (spec.name, spec.sender(env)) for spec in specs if spec.sender and any(name in env for name in spec.settings)
    ]


def _linked_account(spec: ProviderSpec) -> str:
    with services() as found:
        linked = (address for row in found.installations.all() for address in row.phones)
        return operations.linked_account(spec, linked) or fail(
            f"no account is linked yet: give --account {spec.account}", USAGE
        )


def _filled(sample: SampleMessage, phone: str | None, inbox: str | None) -> SampleMessage:
    """With the address of a linked user where none was given: only then the store is asked."""
    if ("{phone}" in sample.sender and not phone) or ("{inbox}" in sample.to and not inbox):
        with services() as found:
            return _with_linked_user(sample, found, phone, inbox)
    return _with(sample, phone, inbox)


def _with_linked_user(sample: SampleMessage, found: Services, phone: str | None, inbox: str | None) -> SampleMessage:
    everyone = found.installations.all()
    if "{phone}" in sample.sender and not phone:
        phone = next((number for row in everyone for number in row.numbers), None)
        if not phone:
            fail("no phone is linked yet: omi-inbox link --uid … --phone …", USAGE)
    if "{inbox}" in sample.to and not inbox:
        if not everyone:
            fail("there is no installation yet: omi-inbox link --uid … --email", USAGE)
        inbox = found.settings.inbox_address(everyone[0].inbox_token) or fail(operations.NO_INBOX, USAGE)
    return _with(sample, phone, inbox)


def _with(sample: SampleMessage, phone: str | None, inbox: str | None) -> SampleMessage:
    return replace(
        sample,
        sender=sample.sender.replace("{phone}", phone or ""),
        to=sample.to.replace("{inbox}", inbox or ""),
    )
