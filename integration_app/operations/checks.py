"""Would this deployment lose messages? Each check is a sentence, the same for `doctor` and the operator's page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from environs import FileAwareEnv
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import SettingsError, StoreUnfit
from integration_app.model import InstallationState
from integration_app.omi import AppMisconfigured, BadCredentials, OmiError
from integration_app.operations import dangers
from integration_app.operations.alerting.problems import Problem, standing, to_look_at
from integration_app.operations.providers import refusals
from integration_app.providers import registry
from integration_app.settings import names
from integration_app.store.outage import why

_SECRETS = ("_TOKENS", "_USERS", "_KEYS", "_SECRETS")
PROBE_UID = "omi-inbox-doctor"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str
    warns: bool = False
    """Not ok, and it may be meant: nothing is lost by it."""
    seconds: float | None = None
    """How long it took, where that is what was looked at."""

    @property
    def mark(self) -> str:
        return "ok" if self.ok else "warn" if self.warns else "FAIL"


def of_settings(error: SettingsError) -> Iterator[Check]:
    """A line for each setting that is wrong: without them nothing else can be looked at."""
    for name, what in error.mistakes.items():
        cure = "set it" if "is not set" in what else "correct it"
        yield Check(name, False, f"{'; '.join(what)} → {cure}")


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
    yield from _stands(found)
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
    specs = registry.specs()
    on = {row for name, provider in found.providers.items() for row in provider.carries or specs[name].channels}
    on |= {"email"} if found.settings.mailbox_host else set()
    if "email" in on and not found.settings.inbox_address("token"):
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
    if not found.identity.names_key("")[1] and found.installations.uids():
        words = "uids are kept as they are: stop web and workers → omi-inbox keys uids"
        return Check("at rest", False, words, warns=True)
    return Check("at rest", True, "sealed under the first of DATA_KEYS, uids too")


def _limits(found: Services) -> str:
    settings = found.settings
    return (
        f"{settings.sender_messages_per_minute or 'any number of'} messages a minute of one sender, "
        f"{settings.user_messages_per_day or 'any number'} a day and {settings.user_max_mb or 'any number of'} MB "
        "waiting for one user"
    )


def _stands(found: Services) -> Iterator[Check]:
    """What `/readyz` and alerts tell of, and a line for each thing that is as it should be."""
    try:
        stands, facts = standing(found), found.health.facts()
        more = list(to_look_at(found))
    except (RedisError, OSError) as error:
        yield from (Check("redis", False, sentence) for sentence in found.health.away() or [redis_away(error)])
        return
    yield Check("redis", stands.written, f"version {facts.version}, takes a write and gives it back")
    for problem in stands.problems:
        yield _told(problem, warns=problem.key.startswith("redis appendfsync is everysec"))
    for problem in more:
        yield _told(problem, warns=True)
    yield _sealed(found)
    wrong = {_area(problem) for problem in stands.problems}
    told = facts.append_only is not None
    fine = {
        "persistence": "appendonly yes" if told else "the server does not tell; check it there",
        "eviction": facts.eviction_policy or "the server does not tell; check it there",
        "ours": "this Redis is ours",
        "drains": "none failed lately",
        "workers": f"{stands.workers} seen lately",
        "due": "nothing is late",
    }
    of_redis = ("persistence", "eviction")
    for name, words in fine.items():
        if name not in wrong and not (name in of_redis and "redis" in wrong):
            yield Check(name, True, words)


def redis_away(error: Exception) -> str:
    what, cure = why(error)
    return f"the one at REDIS_URL: {what} → {cure}"


def _told(problem: Problem, *, warns: bool) -> Check:
    return Check(_area(problem), False, problem.words, warns)


def _area(problem: Problem) -> str:
    """What a problem is about, in the words of the lines above."""
    areas = {"late": "due", "no worker": "workers", "other redis": "ours", "no write": "redis"}
    return areas.get(problem.key) or problem.key.partition(" ")[0]


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
        if error.capability:
            words = "the app may not read conversations → give it that action (read_conversations) in the Omi app"
            return Check("omi", False, words)
        return Check("omi", False, f"{error.reason} → see whether OMI_APP_ID names an app that is still there")
    except OmiError as error:
        words = "OMI_BASE_URL, this host's network, or Omi itself; what arrives waits meanwhile"
        return Check("omi", False, f"{found.settings.omi_base_url}: {error.reason} → {words}")
    return Check("omi", True, f"{found.settings.omi_base_url} {said}")
