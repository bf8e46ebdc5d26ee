"""The only wiring: from the environment to services. Imported by the entry points alone; nothing here is global."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from integration_app import settings as settings_module
from integration_app.model import Clock
from integration_app.omi import DeveloperClient, IntegrationsClient
from integration_app.pipeline.destination import Destination, ToUsers
from integration_app.pipeline.drain import Drain
from integration_app.pipeline.erasure import Erasure
from integration_app.pipeline.forget import Forget
from integration_app.pipeline.intake import Intake
from integration_app.pipeline.outcome import Outcomes
from integration_app.pipeline.pairing import Pairing
from integration_app.pipeline.personal import ToOneself
from integration_app.pipeline.preview import Previews
from integration_app.pipeline.replay import Replays
from integration_app.pipeline.rules import Rules
from integration_app.pipeline.story import Stories
from integration_app.providers import registry
from integration_app.providers.base import Provider
from integration_app.queue import JobQueue
from integration_app.settings import Reader, Settings
from integration_app.store.arrivals import Arrivals
from integration_app.store.connections import connect
from integration_app.store.dead_letters import DeadLetters
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations
from integration_app.store.looks import Looks
from integration_app.store.outbox import Outbox
from integration_app.store.people import People
from integration_app.store.quarantine import Quarantine
from integration_app.store.quota import Quotas
from integration_app.store.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an entry point may use."""

    settings: Settings
    providers: Mapping[str, Provider]
    providers_off: Mapping[str, int]
    intake: Intake
    drain: Drain
    stories: Stories
    replays: Replays
    previews: Previews
    forget: Forget
    arrivals: Arrivals
    inbox: Inbox
    outbox: Outbox
    installations: Installations
    due: DueSet
    deliveries: Deliveries
    dead_letters: DeadLetters
    quarantine: Quarantine
    people: People
    erasure: Erasure
    quotas: Quotas
    gates: Gates
    health: Health
    jobs: JobQueue
    omi: Destination
    queue_connection: Redis
    clock: Clock


def read_settings() -> tuple[Settings, Mapping[str, Provider]]:
    """The settings and the configured providers. Raises `SettingsError` with every mistake in either."""
    reader = Reader()
    finish = settings_module.read(reader)
    providers = registry.configured(reader.env)
    reader.close()
    return finish(), providers


def system_clock() -> datetime:
    return datetime.now(UTC)


def build(*, connections: int = 16, clock: Clock | None = None, patience: float | None = None) -> Services:
    """Wire everything from the environment. `connections`: how many calls to Omi may run at once; `patience`:
    seconds that somebody who waits for a page can wait for one.

    Opens no connection yet.
    """
    settings, providers = read_settings()
    clock = clock or system_clock
    redis = connect(settings.redis_url, decode=True)
    queue_connection = connect(settings.redis_url, decode=False)
    rules = _rules(settings)
    jobs = JobQueue(queue_connection, settings.job_timeout_seconds)
    text_retention = timedelta(days=settings.text_retention_days)
    inbox, arrivals = Inbox(redis, text_retention), Arrivals(redis, text_retention, jobs)
    outbox, installations = Outbox(redis), Installations(redis)
    due, gates, health = DueSet(redis, settings.lease_seconds), Gates(redis), Health(redis)
    traffic = Traffic(
        redis,
        requests_per_minute=settings.omi_max_requests_per_minute,
        request_seconds=settings.request_timeout_seconds,
    )
    deliveries = Deliveries(
        redis,
        due=due,
        traffic=traffic,
        settle=timedelta(seconds=settings.omi_settle_seconds),
        text_retention=text_retention,
        parked_retention=timedelta(days=settings.dead_letter_retention_days),
    )
    people = People(redis, settings.secret_key, codes_per_hour=settings.login_codes_per_hour)
    quotas, dead_letters = Quotas(redis), DeadLetters(redis)
    quarantine = Quarantine(redis, text_retention=text_retention)
    erasure = Erasure(
        inbox=inbox,
        installations=installations,
        people=people,
        outbox=outbox,
        deliveries=deliveries,
        quarantine=quarantine,
        due=due,
        gates=gates,
        quotas=quotas,
        secret=settings.secret_key,
        clock=clock,
    )
    previews = Previews(
        inbox=inbox,
        outbox=outbox,
        installations=installations,
        gates=gates,
        traffic=traffic,
        rules=rules,
        clock=clock,
        has_tasks=settings.omi_developer_key is not None,
    )
    omi = _destination(settings, connections, patience)
    return Services(
        settings=settings,
        providers=providers,
        providers_off=registry.off(providers),
        intake=Intake(
            arrivals=arrivals,
            installations=installations,
            pairing=Pairing(people=people, installations=installations, clock=clock),
            rules=rules,
            clock=clock,
        ),
        drain=Drain(
            omi=omi,
            inbox=inbox,
            looks=Looks(redis, due),
            due=due,
            deliveries=deliveries,
            traffic=traffic,
            outcomes=Outcomes(
                deliveries=deliveries,
                gates=gates,
                installations=installations,
                health=health,
                traffic=traffic,
                quotas=quotas,
                clock=clock,
            ),
            rules=rules,
            clock=clock,
            chance=random.random,
        ),
        replays=Replays(dead_letters=dead_letters, gates=gates, quotas=quotas, clock=clock),
        previews=previews,
        forget=Forget(
            inbox=inbox,
            deliveries=deliveries,
            quarantine=quarantine,
            installations=installations,
            erasure=erasure,
            rules=rules,
            text_retention=text_retention,
            parked_retention=timedelta(days=settings.dead_letter_retention_days),
        ),
        stories=Stories(inbox=inbox, previews=previews, clock=clock),
        arrivals=arrivals,
        inbox=inbox,
        outbox=outbox,
        installations=installations,
        due=due,
        deliveries=deliveries,
        dead_letters=dead_letters,
        quarantine=quarantine,
        people=people,
        erasure=erasure,
        quotas=quotas,
        gates=gates,
        health=health,
        jobs=jobs,
        omi=omi,
        queue_connection=queue_connection,
        clock=clock,
    )


def _destination(settings: Settings, connections: int, patience: float | None) -> Destination:
    """One person's own key, or the app's."""
    how: dict[str, Any] = {
        "base_url": settings.omi_base_url,
        "connect_timeout": settings.omi_connect_timeout_seconds,
        "read_timeout": min(settings.omi_read_timeout_seconds, patience or settings.omi_read_timeout_seconds),
        "connections": connections,
    }
    if settings.omi_developer_key:
        return ToOneself(DeveloperClient(settings.omi_developer_key, **how))
    return ToUsers(IntegrationsClient(settings.omi_app_id, settings.omi_api_key, **how))


def _rules(settings: Settings) -> Rules:
    return Rules(
        sms_quiet=timedelta(seconds=settings.sms_quiet_seconds),
        sms_max_wait=timedelta(seconds=settings.sms_max_wait_seconds),
        retry_horizon=timedelta(hours=settings.retry_horizon_hours),
        left_probe=timedelta(minutes=settings.left_probe_minutes),
        left_retention=timedelta(days=settings.left_retention_days),
        own_domain=settings.inbox_domain,
        quarantine=timedelta(days=settings.quarantine_days),
        request_time=timedelta(seconds=settings.request_timeout_seconds),
        drain_budget=timedelta(seconds=settings.job_timeout_seconds - settings.request_timeout_seconds),
    )
