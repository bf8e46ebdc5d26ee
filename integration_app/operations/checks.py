"""Would this deployment lose messages? Each check is a sentence, the same for `doctor` and the operator's page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from environs import FileAwareEnv
from redis.exceptions import RedisError

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.errors import SettingsError, StoreUnfit
from integration_app.model import Clock, InstallationState
from integration_app.omi import AppMisconfigured, BadCredentials, OmiError
from integration_app.operations import dangers
from integration_app.operations.providers import refusals
from integration_app.providers import registry
from integration_app.settings import names

_NOT_OURS = "this Redis is empty, or another one → omi-inbox init makes it ours"
_SECRETS = ("_TOKENS", "_USERS", "_KEYS", "_SECRETS")
PROBE_UID = "omi-inbox-doctor"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str
    warns: bool = False
    """Not ok, and it may be meant: nothing is lost by it."""

    @property
    def mark(self) -> str:
        return "ok" if self.ok else "warn" if self.warns else "FAIL"


def from_nothing(clock: Clock = bootstrap.system_clock) -> Iterator[Check]:
    """Settings first: without them nothing else can be looked at."""
    try:
        found = bootstrap.build(clock=clock)
    except SettingsError as error:
        for name, what in error.mistakes.items():
            yield Check(name, False, "; ".join(what))
        return
    yield from every(found)


def every(found: Services) -> Iterator[Check]:
    """Each is a line of its own: one that cannot be looked at takes no other with it."""
    try:
        yield from _each(found)
    except StoreUnfit as error:
        yield Check("at rest", False, f"{error} → list that key too, behind the new one")


def _each(found: Services) -> Iterator[Check]:
    yield Check("settings", True, "complete and free of contradictions")
    yield from _dangers(found)
    names = ", ".join(found.providers) or "none, so nothing can arrive → omi-inbox providers says what each needs"
    yield Check("providers", bool(found.providers), f"on: {names}")
    yield from _ways_in(found)
    yield Check("limits", True, _limits(found))
    yield from _redis(found)
    yield from _refused(found)
    yield _alerts(found)
    yield _omi(found)


def _dangers(found: Services) -> Iterator[Check]:
    """Settings that are allowed and dangerous."""
    env = FileAwareEnv()
    specs = registry.specs().values()
    known = [*names(), *(name for spec in specs for name in spec.settings)]
    given = dict.fromkeys(os.environ, "") | {name: value for name in known if (value := env.str(name, None))}
    secret = [name for spec in specs for name in spec.settings if name.endswith(_SECRETS)]
    for danger in dangers.of(found.settings, given, known, secret):
        yield Check(danger.name, False, danger.what, danger.warns)


def _ways_in(found: Services) -> Iterator[Check]:
    """What people are shown on their page, beside what can arrive."""
    on = {channel for name in found.providers for channel in registry.specs()[name].channels}
    if "email" in on and not found.settings.inbox_domain:
        words = "mail can arrive, and nobody has an address → set it, or switch the mail provider off"
        yield Check("INBOX_DOMAIN", False, words)
    if found.settings.inbox_domain and "email" not in on:
        yield Check("INBOX_DOMAIN", False, "is shown, and no mail provider is on → set one up, or take it away")
    if found.settings.inbox_phone and not on & {"sms", "whatsapp"}:
        yield Check("INBOX_PHONE", False, "is shown, and no provider of texts is on → set one up, or take it away")


def _refused(found: Services) -> Iterator[Check]:
    """What the doors refused lately: a wrong secret or a wrong URL shows here first."""
    for name in registry.specs():
        try:
            rows = refusals(found, name)
        except (RedisError, OSError):
            return  # said already
        if rows:
            last = rows[0]
            said = f": {last['why']}" if last["why"] else ""
            words = f"refused {len(rows)} lately, the last at {last['at'][11:16]} UTC ({last['outcome']}{said})"
            yield Check(name, False, f"{words} → {last['cure']}", warns=True)


def _alerts(found: Services) -> Check:
    where = [name for name in ("alert_urls", "alert_webhook_url", "heartbeat_url") if getattr(found.settings, name)]
    if not where:
        words = "nobody is told when something is wrong → ALERT_URLS, ALERT_WEBHOOK_URL or HEARTBEAT_URL"
        return Check("alerts", False, words, warns=True)
    return Check("alerts", True, f"by {', '.join(where).upper()} → omi-inbox alert test sends one")


def _sealed(found: Services) -> Check:
    if not found.settings.data_keys:
        words = "DATA_KEYS is not set: a copy of Redis shows texts, addresses and phones → openssl rand -hex 32"
        return Check("at rest", False, words, warns=True)
    try:
        behind = found.rotation.behind()
    except StoreUnfit as error:
        return Check("at rest", False, f"{error} → list that key too, behind the new one")
    if behind:
        return Check("at rest", False, f"{behind} users are under an older key → omi-inbox keys rotate", warns=True)
    return Check("at rest", True, "sealed under the first of DATA_KEYS")


def _limits(found: Services) -> str:
    settings = found.settings
    return (
        f"{settings.sender_messages_per_minute or 'any number of'} messages a minute of one sender, "
        f"{settings.user_messages_per_day or 'any number'} a day and {settings.user_max_mb or 'any number of'} MB "
        "waiting for one user"
    )


def _redis(found: Services) -> Iterator[Check]:
    try:
        written = found.health.write_and_read_back()
        facts = found.health.facts()
        now = found.clock()
        workers = found.health.workers(since=now - timedelta(minutes=1))
        oldest = found.due.oldest()
    except (RedisError, OSError) as error:
        yield Check("redis", False, f"cannot be reached or does not take a write ({type(error).__name__})")
        return
    yield Check("redis", written, f"version {facts.version}, takes a write and gives it back")
    mistakes = facts.mistakes()
    for sentence in mistakes:
        yield Check("redis", False, sentence)
    if not mistakes:
        told = facts.append_only is not None
        yield Check("persistence", True, "appendonly yes" if told else "the server does not tell; check it there")
        yield Check("eviction", True, facts.eviction_policy or "the server does not tell; check it there")
    yield _sealed(found)
    yield Check("ours", found.identity.is_ours(), "this Redis is ours" if found.identity.is_ours() else _NOT_OURS)
    for sentence in facts.risks(ack_replicas=found.settings.ack_replicas, has_sentinels=found.settings.has_sentinels):
        yield Check("redis", False, sentence, warns=sentence.startswith("appendfsync is everysec"))
    failing = found.health.failed_since(now - timedelta(minutes=10))
    yield Check("drains", not failing, f"failed lately for {len(failing)} users" if failing else "none failed lately")
    for gate in found.gates.of_all().values():
        if gate.until > now:
            yield Check("gate", False, f"everybody waits until {gate.until:%H:%M:%S} UTC: {gate.why}")
    hint = "" if workers else " → start one: the Procfile's worker"
    yield Check("workers", workers > 0, f"{workers} seen in the last minute{hint}")
    late = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield Check("due", late < 60, f"the oldest due outbox is {late:.0f} s late")


def _omi(found: Services) -> Check:
    """A read costs no quota. For an unknown uid it tells whether the address and the key are right; for one
    that has enabled the app also whether the app may read.
    """
    try:
        enabled = [row.uid for row in found.installations.all() if row.state is InstallationState.ENABLED]
    except (RedisError, OSError):
        enabled = []  # said already, by the check of Redis
    try:
        said = found.omi.check(enabled[0] if enabled else PROBE_UID)
    except BadCredentials:
        key = "OMI_DEVELOPER_KEY" if found.omi.is_personal else "OMI_API_KEY for OMI_APP_ID"
        return Check("omi", False, f"Omi refuses {key} → make a new key in the Omi app and set it")
    except AppMisconfigured as error:
        return Check("omi", False, error.reason)
    except OmiError as error:
        return Check("omi", False, f"{found.settings.omi_base_url}: {error.reason}")
    return Check("omi", True, f"{found.settings.omi_base_url} {said}")
