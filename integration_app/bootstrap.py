"""The only wiring: from the environment to services. Imported by the entry points alone; nothing here is global."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from redis import Redis

from integration_app import settings as settings_module
from integration_app.attachments.reader import AttachmentReader
from integration_app.attachments.voice import Transcriber
from integration_app.errors import SettingsError
from integration_app.job_queue import JobQueue
from integration_app.mailbox.connection import Account
from integration_app.mailbox.reader import MailboxReader
from integration_app.model import Clock
from integration_app.omi import DeveloperClient, IntegrationsClient
from integration_app.pipeline.delivery.destinations import Destination
from integration_app.pipeline.delivery.destinations.app import AppDestination
from integration_app.pipeline.delivery.destinations.personal import PersonalDestination
from integration_app.pipeline.delivery.drain import Drain
from integration_app.pipeline.delivery.outcomes import Outcomes
from integration_app.pipeline.delivery.read_back.after_gap import AfterGap
from integration_app.pipeline.delivery.read_back.look_back import LookBack
from integration_app.pipeline.delivery.sending import Sending
from integration_app.pipeline.delivery.texts import Texts
from integration_app.pipeline.estimate import Estimates
from integration_app.pipeline.intake.intake import Intake
from integration_app.pipeline.intake.pairing import Pairing
from integration_app.pipeline.intake.phones import Phones
from integration_app.pipeline.rules import Rules
from integration_app.pipeline.sightings import Sightings
from integration_app.pipeline.timeline import Timeline
from integration_app.pipeline.upkeep.erasure import Erasure
from integration_app.pipeline.upkeep.imports import Importing
from integration_app.pipeline.upkeep.replay import Replays
from integration_app.pipeline.upkeep.resume import Resume
from integration_app.pipeline.upkeep.retention import Retention
from integration_app.pipeline.webhooks.dispatch import Dispatch
from integration_app.providers import registry
from integration_app.providers.base import Provider
from integration_app.settings import Reader, Settings
from integration_app.store import accounts, vault
from integration_app.store.alerting import Alerting
from integration_app.store.audit import Audit
from integration_app.store.auth import Auth
from integration_app.store.connections import connect
from integration_app.store.dead_letters import DeadLetters
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.endpoints import Endpoints
from integration_app.store.feed import Feed
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.identity import Identity
from integration_app.store.imports import Imports
from integration_app.store.inbox import Inbox
from integration_app.store.ingest import Ingest, Limits
from integration_app.store.installations import Installations
from integration_app.store.mailboxes import Mailboxes
from integration_app.store.migrations import Migrations
from integration_app.store.notices import Notices
from integration_app.store.outbox import Outbox
from integration_app.store.quarantine import Quarantine
from integration_app.store.quota import Quotas
from integration_app.store.rate_limiter import RateLimiter
from integration_app.store.refusals import Refusals
from integration_app.store.renaming import Renaming
from integration_app.store.repair import Repair
from integration_app.store.replication import Replication
from integration_app.store.rotation import Rotation
from integration_app.store.shards import shards_at
from integration_app.store.shards.directory import Directory
from integration_app.store.shards.moving import Moving
from integration_app.store.shards.wide import erasure_of, one_of, over_all
from integration_app.store.shared_phones import SharedPhones
from integration_app.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an entry point may use."""

    settings: Settings
    providers: Mapping[str, Provider]
    providers_off: Mapping[str, int]
    rules: Rules
    intake: Intake
    drain: Drain
    timeline: Timeline
    sightings: Sightings
    phones: Phones
    replays: Replays
    estimates: Estimates
    retention: Retention
    erasure: Erasure
    resume: Resume
    ingest: Ingest
    inbox: Inbox
    outbox: Outbox
    installations: Installations
    due: DueSet
    deliveries: Deliveries
    dead_letters: DeadLetters
    quarantine: Quarantine
    auth: Auth
    quotas: Quotas
    gates: Gates
    health: Health
    identity: Identity
    migrations: Migrations
    rotation: Rotation
    renaming: Renaming
    audit: Audit
    refusals: Refusals
    alerting: Alerting
    imports: Imports
    importing: Importing
    feed: Feed
    endpoints: Endpoints
    dispatch: Dispatch
    mailbox: MailboxReader | None
    mailboxes: Mailboxes
    jobs: JobQueue
    omi: Destination
    queue_connection: Redis
    bytes_connection: Redis
    clock: Clock
    moving: Moving | None = None
    """Where users are spread over several Redis."""
    _parts: tuple[Services, ...] = ()

    @property
    def parts(self) -> tuple[Services, ...]:
        """The services of each part of the users, where they are spread over several Redis; else these alone."""
        return self._parts or (self,)


def check_settings() -> None:
    """Every mistake of the settings to standard error, and exit code 2; nothing where they can be used."""
    try:
        read_settings()
    except SettingsError as error:
        print(with_cure(error), file=sys.stderr)
        raise SystemExit(2) from None


def with_cure(error: SettingsError) -> str:
    """The mistakes; and where what is missing stands in a `.env` that nobody has read, how to have it read."""
    with suppress(OSError, UnicodeDecodeError):
        lines = Path(".env").read_text(encoding="utf-8").splitlines()
        named = {line.removeprefix("export ").partition("=")[0].strip() for line in lines}
        if any(name in named and name not in os.environ for name in error.mistakes):
            return f"{error}\nThe .env of this folder is read by omi-inbox alone; here: set -a; . ./.env; set +a"
    return str(error)


def read_settings() -> tuple[Settings, Mapping[str, Provider]]:
    """The settings and the configured providers. Raises `SettingsError` with every mistake in either."""
    reader = Reader()
    finish = settings_module.read(reader)
    providers = registry.configured(reader.env)
    reader.close()
    return finish(), providers


def system_clock() -> datetime:
    return datetime.now(UTC)


def build(
    *,
    connections: int = 16,
    clock: Clock = system_clock,
    read_timeout_max: float | None = None,
) -> Services:
    """Wire everything from the environment. `connections`: how many calls to Omi may run at once; `read_timeout_max`:
    seconds that a caller who waits for a page can wait for one.

    Opens no connection yet.
    """
    settings, providers = read_settings()
    vault.use(vault.Vault(settings.data_keys))
    parts = shards_at(settings.redis_urls, timeout=settings.redis_timeout_seconds, clock=clock)
    bytes_connection = parts[0].connect(decode=False)
    queue_connection = bytes_connection
    if settings.rq_redis_url is not None:
        queue_connection = connect(settings.rq_redis_url, decode=False, timeout=settings.redis_timeout_seconds)
    is_apart = settings.rq_redis_url is not None or len(parts) > 1
    jobs = JobQueue(queue_connection, settings.job_timeout_seconds, is_apart=is_apart)
    each = [part.connect(decode=True) for part in parts]
    stores = [_stores(settings, redis, jobs, of=len(each), number=number) for number, redis in enumerate(each)]
    accounts.use(accounts.Accounts(stores[0].identity.names_key))
    omi = _destination(settings, connections, read_timeout_max)
    world = _World(settings, providers, jobs, omi, queue_connection, bytes_connection, clock)
    if len(stores) == 1:
        return _services(world, stores[0])
    stores, directory = [one_of(stores[0], one) for one in stores], Directory(each)
    moving = Moving(
        each,
        stores,
        directory,
        addresses=[part.address for part in parts],
        retention=timedelta(days=settings.text_retention_days),
        replication=Replication(settings.ack_replicas, settings.ack_wait_ms),
        clock=clock,
    )
    first, *others = (_services(world, one) for one in stores)
    parts_ = (replace(first, moving=moving), *others)
    erasure = erasure_of([part.erasure for part in parts_], directory)
    return replace(_services(world, over_all(stores, directory)), moving=moving, erasure=erasure, _parts=parts_)


@dataclass(frozen=True, slots=True)
class _World:
    """What all services share."""

    settings: Settings
    providers: Mapping[str, Provider]
    jobs: JobQueue
    omi: Destination
    queue_connection: Redis
    bytes_connection: Redis
    clock: Clock


def _services(world: _World, stores: Stores) -> Services:
    settings, providers, jobs, omi, clock = world.settings, world.providers, world.jobs, world.omi, world.clock
    rules = _rules(settings)
    has_tasks = omi.is_personal
    estimates = Estimates(
        inbox=stores.inbox,
        outbox=stores.outbox,
        rules=rules,
        settle_pause=stores.deliveries.settle_pause,
        clock=clock,
        has_tasks=has_tasks,
    )
    erasure = Erasure(
        feed=stores.feed,
        inbox=stores.inbox,
        installations=stores.installations,
        shared_phones=stores.shared_phones,
        auth=stores.auth,
        outbox=stores.outbox,
        deliveries=stores.deliveries,
        quarantine=stores.quarantine,
        due=stores.due,
        gates=stores.gates,
        quotas=stores.quotas,
        health=stores.health,
        imports=stores.imports,
        notices=stores.notices,
        secret=settings.secret_key[0],
        clock=clock,
    )
    phones = Phones(
        installations=stores.installations, shared=stores.shared_phones, notices=stores.notices, omi=omi, clock=clock
    )
    intake = Intake(
        ingest=stores.ingest,
        installations=stores.installations,
        pairing=Pairing(link_codes=stores.auth.link_codes, installations=stores.installations, phones=phones),
        rules=rules,
        clock=clock,
    )
    return Services(
        settings=settings,
        providers=providers,
        providers_off=registry.off(providers),
        rules=rules,
        intake=intake,
        drain=_drain(stores, omi, _reader(settings, providers, stores, clock), rules, clock),
        timeline=Timeline(inbox=stores.inbox, estimates=estimates, clock=clock),
        phones=phones,
        sightings=Sightings(inbox=stores.inbox, deliveries=stores.deliveries, clock=clock),
        replays=Replays(dead_letters=stores.dead_letters, gates=stores.gates, quotas=stores.quotas, clock=clock),
        estimates=estimates,
        retention=Retention(
            inbox=stores.inbox,
            deliveries=stores.deliveries,
            quarantine=stores.quarantine,
            installations=stores.installations,
            erasure=erasure,
            health=stores.health,
            outbox=stores.outbox,
            rules=rules,
            text_retention=timedelta(days=settings.text_retention_days),
            parked_retention=timedelta(days=settings.dead_letter_retention_days),
        ),
        erasure=erasure,
        resume=Resume(
            installations=stores.installations,
            gates=stores.gates,
            outbox=stores.outbox,
            due=stores.due,
            clock=clock,
        ),
        ingest=stores.ingest,
        inbox=stores.inbox,
        outbox=stores.outbox,
        installations=stores.installations,
        due=stores.due,
        deliveries=stores.deliveries,
        dead_letters=stores.dead_letters,
        quarantine=stores.quarantine,
        auth=stores.auth,
        quotas=stores.quotas,
        gates=stores.gates,
        health=stores.health,
        identity=stores.identity,
        migrations=stores.migrations,
        rotation=stores.rotation,
        renaming=stores.renaming,
        audit=stores.audit,
        refusals=stores.refusals,
        alerting=stores.alerting,
        imports=stores.imports,
        importing=Importing(
            imports=stores.imports,
            intake=intake,
            ingest=stores.ingest,
            inbox=stores.inbox,
            quotas=stores.quotas,
            health=stores.health,
            clock=clock,
        ),
        feed=stores.feed,
        endpoints=stores.endpoints,
        dispatch=Dispatch(
            endpoints=stores.endpoints,
            feed=stores.feed,
            inbox=stores.inbox,
            allowed=tuple(ip_network(network, strict=False) for network in settings.webhook_private_networks),
            clock=clock,
            chance=random.random,
        ),
        mailbox=_mailbox(settings, stores, intake, clock),
        mailboxes=stores.mailboxes,
        jobs=jobs,
        omi=omi,
        queue_connection=world.queue_connection,
        bytes_connection=world.bytes_connection,
        clock=clock,
    )


def _stores(settings: Settings, redis: Redis, jobs: JobQueue, *, of: int = 1, number: int = 0) -> Stores:
    """`of`: among how many the fleet's budget is divided."""
    text_retention = timedelta(days=settings.text_retention_days)
    due = DueSet(redis, settings.lease_seconds)
    replication = Replication(settings.ack_replicas, settings.ack_wait_ms)
    limits = Limits(
        per_minute=settings.sender_messages_per_minute,
        per_day=settings.user_messages_per_day,
        bytes=settings.user_max_mb * 1_000_000,
    )
    feed = Feed(redis, number)
    limiter = RateLimiter(
        redis,
        requests_per_minute=max(1, settings.omi_max_requests_per_minute // of),
        request_seconds=settings.request_timeout_seconds,
    )
    return Stores(
        ingest=Ingest(redis, text_retention, jobs, replication, limits),
        inbox=Inbox(redis, text_retention),
        outbox=Outbox(redis, due),
        installations=Installations(redis),
        shared_phones=SharedPhones(redis),
        due=due,
        deliveries=Deliveries(
            redis,
            due=due,
            limiter=limiter,
            settle=timedelta(seconds=settings.omi_settle_seconds),
            text_retention=text_retention,
            parked_retention=timedelta(days=settings.dead_letter_retention_days),
            replication=replication,
        ),
        dead_letters=DeadLetters(redis),
        quarantine=Quarantine(redis, text_retention=text_retention),
        auth=Auth.of(
            redis,
            settings.secret_key,
            codes_per_hour=settings.login_codes_per_hour,
            can_unlock=bool(settings.omi_webhook_secrets),
        ),
        quotas=Quotas(redis),
        gates=Gates(redis),
        health=Health(redis),
        limiter=limiter,
        identity=Identity(redis),
        repair=Repair(redis),
        migrations=Migrations(redis),
        rotation=Rotation(redis),
        renaming=Renaming(redis),
        audit=Audit(redis),
        refusals=Refusals(redis),
        alerting=Alerting(redis),
        notices=Notices(redis),
        imports=Imports(redis),
        mailboxes=Mailboxes(redis),
        feed=feed,
        endpoints=Endpoints(redis, feed),
    )


def _mailbox(settings: Settings, stores: Stores, intake: Intake, clock: Clock) -> MailboxReader | None:
    account = account_of(settings)
    if account is None:
        return None

    def address_of(uid: str) -> str | None:
        found = stores.installations.get(uid)
        return settings.inbox_address(found.inbox_token) if found else None

    return MailboxReader(
        account,
        uid=settings.mailbox_uid,
        receivers=settings.mailbox_authserv_ids,
        intake=intake,
        address_of=address_of,
        is_known=lambda tokens: bool(stores.installations.with_inbox(tokens)),
        mailboxes=stores.mailboxes,
        refusals=stores.refusals,
        clock=clock,
    )


def account_of(settings: Settings) -> Account | None:
    """The mailbox that is read; None without one."""
    if not settings.mailbox_host:
        return None
    return Account(
        host=settings.mailbox_host,
        port=settings.mailbox_port,
        user=settings.mailbox_user or "",
        password=settings.mailbox_password or "",
        folder=settings.mailbox_folder,
        done_folder=settings.mailbox_done_folder,
    )


def _reader(settings: Settings, providers: Mapping[str, Provider], stores: Stores, clock: Clock) -> AttachmentReader:
    url, per_day = settings.transcribe_url, settings.transcribe_notes_per_day
    return AttachmentReader(
        fetch={name: provider.fetch for name, provider in providers.items()},
        contents={name: provider.read for name, provider in providers.items()},
        transcriber=Transcriber(url, settings.transcribe_key, settings.transcribe_model) if url else None,
        may_transcribe=lambda uid, now: stores.quotas.may_transcribe(uid, per_day, now=now),
        was_not_transcribed=lambda uid, now: stores.quotas.was_not_transcribed(uid, now=now),
        clock=clock,
    )


def _drain(stores: Stores, omi: Destination, reader: AttachmentReader, rules: Rules, clock: Clock) -> Drain:
    outcomes = Outcomes(
        deliveries=stores.deliveries,
        gates=stores.gates,
        installations=stores.installations,
        health=stores.health,
        limiter=stores.limiter,
        quotas=stores.quotas,
        notices=stores.notices,
        clock=clock,
    )
    sending = Sending(
        omi=omi,
        deliveries=stores.deliveries,
        limiter=stores.limiter,
        outcomes=outcomes,
        rules=rules,
        lease_ms=stores.due.lease_ms,
        clock=clock,
        chance=random.random,
    )
    return Drain(
        outbox=stores.outbox,
        due=stores.due,
        deliveries=stores.deliveries,
        limiter=stores.limiter,
        texts=Texts(stores.inbox, reader, clock, has_tasks=omi.is_personal),
        after_gap=AfterGap(
            look_back=LookBack(stores.inbox, omi),
            sending=sending,
            outcomes=outcomes,
            deliveries=stores.deliveries,
            due=stores.due,
            limiter=stores.limiter,
            health=stores.health,
            rules=rules,
            clock=clock,
        ),
        repair=stores.repair,
        quarantine=stores.quarantine,
        health=stores.health,
        sending=sending,
        outcomes=outcomes,
        rules=rules,
        clock=clock,
    )


def _destination(settings: Settings, connections: int, read_timeout_max: float | None) -> Destination:
    """One person's own key, or the app's."""
    how: dict[str, Any] = {
        "base_url": settings.omi_base_url,
        "connect_timeout": settings.omi_connect_timeout_seconds,
        "read_timeout": min(settings.omi_read_timeout_seconds, read_timeout_max or settings.omi_read_timeout_seconds),
        "connections": connections,
    }
    if settings.omi_developer_key:
        return PersonalDestination(DeveloperClient(settings.omi_developer_key, **how), settings.mail_text_source)
    client = IntegrationsClient(settings.omi_app_id, settings.omi_api_key, **how)
    return AppDestination(client, settings.mail_text_source)


def _rules(settings: Settings) -> Rules:
    return Rules(
        sms_quiet=timedelta(seconds=settings.sms_quiet_seconds),
        sms_max_wait=timedelta(seconds=settings.sms_max_wait_seconds),
        memory_quiet=timedelta(seconds=settings.memory_quiet_seconds),
        mail_quiet=timedelta(seconds=settings.mail_quiet_seconds),
        mail_max_wait=timedelta(seconds=settings.mail_max_wait_seconds),
        retry_horizon=timedelta(hours=settings.retry_horizon_hours),
        left_probe=timedelta(minutes=settings.left_probe_minutes),
        left_retention=timedelta(days=settings.left_retention_days),
        own_domain=settings.inbox_domain,
        quarantine=timedelta(days=settings.quarantine_days),
        pause_max=timedelta(days=settings.pause_days),
        request_time=timedelta(seconds=settings.request_timeout_seconds),
        drain_budget=timedelta(seconds=settings.job_timeout_seconds - settings.request_timeout_seconds),
    )
