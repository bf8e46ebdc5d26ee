"""Providers: which are on, what came through them, a signed test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import requests
from environs import FileAwareEnv

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.mailbox import NAME as MAILBOX
from integration_app.mailbox import TITLE
from integration_app.providers import registry
from integration_app.providers.base import Outcome, ProviderSpec

NO_INBOX = "there are no inbox addresses: set INBOX_DOMAIN, or MAILBOX_HOST and MAILBOX_USER"


def providers(services: Services) -> list[dict[str, Any]]:
    base, counters = services.settings.public_base_url, services.health.counters()
    return [
        *([_mailbox(services, counters)] if services.settings.mailbox_host else []),
        *(
            {
                "name": name,
                "title": spec.provider.title,
                "on": name in services.providers,
                "url": f"{base}/webhooks/{name}",
                "refusals": refusals(services, name),
                "last_event": _last(services, name),
                "outcomes": _outcomes(counters, name),
            }
            for name, spec in registry.specs().items()
        ),
    ]


def _outcomes(counters: Mapping[str, int], name: str) -> dict[str, int]:
    prefix = f"webhooks:{name}:"
    return {key.removeprefix(prefix): count for key, count in counters.items() if key.startswith(prefix)}


def _mailbox(services: Services, counters: Mapping[str, int]) -> dict[str, Any]:
    """As a row beside the providers: it is read, so nobody calls."""
    account = bootstrap.account_of(services.settings)
    assert account is not None  # noqa: S101 - asked before
    looked, rows = services.mailboxes.looked_at(account.key), services.refusals.latest(MAILBOX, now=services.clock())
    return {
        "name": MAILBOX,
        "title": TITLE,
        "on": True,
        "url": f"imaps://{account.host}/{account.folder}",
        "refusals": [
            {"at": row.at.isoformat(), "outcome": row.outcome, "why": row.why, "shape": row.shape}
            | {"cure": "look at the mail in the mailbox"}
            for row in rows
        ],
        "last_event": looked.isoformat(timespec="seconds") if looked else None,
        "outcomes": _outcomes(counters, MAILBOX),
    }


def refusals(services: Services, name: str) -> list[dict[str, str]]:
    """The last ones of a day: when, why, and what to do."""
    rows = services.refusals.latest(name, now=services.clock())
    return [
        {"at": row.at.isoformat(), "outcome": row.outcome, "why": row.why, "shape": row.shape}
        | {"cure": cure(services, name, row.outcome)}
        for row in rows
    ]


def cure(services: Services, name: str, outcome: str) -> str:
    """What an operator does about a refusal."""
    spec, url = registry.specs()[name], f"{services.settings.public_base_url}/webhooks/{name}"
    match outcome:
        case Outcome.NOT_CONFIGURED:
            return f"set {' and '.join(spec.settings[:2])}, or have the provider call no more"
        case Outcome.BAD_SIGNATURE:
            return f"the provider has to call exactly {url}, and {spec.settings[0]} to be its current secret"
        case Outcome.MALFORMED:
            return f"omi-inbox providers show {name} says what the hook has to send"
        case Outcome.UNKNOWN_RECIPIENT:
            return "no user has linked that phone or has that address: omi-inbox installations lists them"
        case Outcome.OVER_LIMIT:
            return "more than a user may have: SENDER_MESSAGES_PER_MINUTE, USER_MESSAGES_PER_DAY, USER_MAX_MB"
        case _:
            return f"larger than {spec.provider.max_body_bytes // 1_000_000} MB: have the provider send less"


def environment(spec: ProviderSpec) -> dict[str, str]:
    """What a provider's sender reads, also where it is given as a file."""
    env, names = FileAwareEnv(), (*spec.settings, *spec.local_settings)
    return {name: value for name in names if (value := env.str(name, None))}


def linked_account(spec: ProviderSpec, addresses: Iterable[str]) -> str | None:
    """The first of these that is an account of this provider's messenger."""
    kind = spec.account.partition(":")[0]
    return next((address for address in addresses if kind and address.startswith(f"{kind}:")), None)


def send_test(services: Services, name: str, uid: str) -> str:
    """Send a message signed as the vendor signs, through the public door, for one user. Says what came of it."""
    spec, installation = registry.specs().get(name), services.installations.get(uid)
    if spec is None or spec.sender is None or name not in services.providers:
        return "this provider is off"
    if installation is None:
        return "no such user"
    sender = spec.sender(environment(spec))
    sample = next(iter(sender.samples().values()))
    phone = next(iter(installation.numbers), "")
    account = linked_account(spec, installation.phones) or ""
    if "{phone}" in sample.sender and not phone:
        return "this user has no phone"
    if "{account}" in sample.sender and not account:
        return f"this user has linked no account such as {spec.account}"
    if "{inbox}" in sample.to and not services.settings.inbox_address("token"):
        return NO_INBOX
    message = replace(
        sample,
        sender=sample.sender.replace("{phone}", phone).replace("{account}", account),
        to=sample.to.replace("{inbox}", services.settings.inbox_address(installation.inbox_token) or ""),
        text="[TEST] A signed test by the operator.",
        html=None,
    )
    base = services.settings.public_base_url
    try:
        made = sender.build_request(message, base, services.clock())
        answer = requests.request(
            made.method, base + made.path, data=made.body, headers=dict(made.headers), timeout=10, allow_redirects=False
        )
    except (ValueError, KeyError) as error:
        return str(error)
    except requests.RequestException as error:
        return f"{base} does not answer ({type(error).__name__})"
    return f"{answer.status_code}: {answer.headers.get('X-Outcome', 'the answer does not say what became of it')}"


def _last(services: Services, name: str) -> str | None:
    """When it called last, whatever came of it."""
    refused = [row.at for row in services.refusals.latest(name, now=services.clock())[:1]]
    genuine = services.health.last(f"webhooks:{name}:")
    times = [*refused, *([genuine] if genuine else [])]
    return max(times).isoformat(timespec="seconds") if times else None
