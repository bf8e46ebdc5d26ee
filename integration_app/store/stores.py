"""All stores of one Redis, by name."""

from __future__ import annotations

from dataclasses import dataclass

from integration_app.store.alerting import Alerting
from integration_app.store.audit import Audit
from integration_app.store.auth import Auth
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
from integration_app.store.ingest import Ingest
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
from integration_app.store.rotation import Rotation
from integration_app.store.shared_phones import SharedPhones


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept in Redis."""

    ingest: Ingest
    inbox: Inbox
    outbox: Outbox
    installations: Installations
    shared_phones: SharedPhones
    due: DueSet
    deliveries: Deliveries
    dead_letters: DeadLetters
    quarantine: Quarantine
    auth: Auth
    quotas: Quotas
    gates: Gates
    health: Health
    limiter: RateLimiter
    identity: Identity
    repair: Repair
    migrations: Migrations
    rotation: Rotation
    renaming: Renaming
    audit: Audit
    refusals: Refusals
    alerting: Alerting
    notices: Notices
    imports: Imports
    mailboxes: Mailboxes
    feed: Feed
    endpoints: Endpoints
