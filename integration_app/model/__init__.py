"""The product's nouns as frozen values.

Only data lives here: no I/O, no Flask, no Redis, no vendor's word. Times are aware and UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from integration_app.model.alerts import (
    QuietHours as QuietHours,
)
from integration_app.model.alerts import (
    Told as Told,
)
from integration_app.model.deliveries import (
    BUCKETS as BUCKETS,
)
from integration_app.model.deliveries import (
    DOOR_BUCKETS as DOOR_BUCKETS,
)
from integration_app.model.deliveries import (
    Attempt as Attempt,
)
from integration_app.model.deliveries import (
    Decision as Decision,
)
from integration_app.model.deliveries import (
    Delivery as Delivery,
)
from integration_app.model.deliveries import (
    Done as Done,
)
from integration_app.model.deliveries import (
    Drop as Drop,
)
from integration_app.model.deliveries import (
    Gate as Gate,
)
from integration_app.model.deliveries import (
    GateScope as GateScope,
)
from integration_app.model.deliveries import (
    Held as Held,
)
from integration_app.model.deliveries import (
    Hold as Hold,
)
from integration_app.model.deliveries import (
    Lane as Lane,
)
from integration_app.model.deliveries import (
    Made as Made,
)
from integration_app.model.deliveries import (
    Park as Park,
)
from integration_app.model.deliveries import (
    Reconcile as Reconcile,
)
from integration_app.model.deliveries import (
    Retry as Retry,
)
from integration_app.model.deliveries import (
    bucket as bucket,
)
from integration_app.model.deliveries import (
    why as why,
)
from integration_app.model.imports import (
    ImportRow as ImportRow,
)
from integration_app.model.imports import (
    ImportState as ImportState,
)
from integration_app.model.imports import (
    ImportStatus as ImportStatus,
)
from integration_app.model.installations import (
    NO_PREFERENCES as NO_PREFERENCES,
)
from integration_app.model.installations import (
    Installation as Installation,
)
from integration_app.model.installations import (
    InstallationState as InstallationState,
)
from integration_app.model.installations import (
    Preferences as Preferences,
)
from integration_app.model.installations import (
    Tell as Tell,
)
from integration_app.model.lifecycle import (
    RECORDED as RECORDED,
)
from integration_app.model.lifecycle import (
    TRANSITIONS as TRANSITIONS,
)
from integration_app.model.lifecycle import (
    AnyEvent as AnyEvent,
)
from integration_app.model.lifecycle import (
    Begun as Begun,
)
from integration_app.model.lifecycle import (
    DeliveryState as DeliveryState,
)
from integration_app.model.lifecycle import (
    DroppedByOperator as DroppedByOperator,
)
from integration_app.model.lifecycle import (
    DroppedFromQuarantine as DroppedFromQuarantine,
)
from integration_app.model.lifecycle import (
    Event as Event,
)
from integration_app.model.lifecycle import (
    HeldByRule as HeldByRule,
)
from integration_app.model.lifecycle import (
    MessageState as MessageState,
)
from integration_app.model.lifecycle import (
    PartMade as PartMade,
)
from integration_app.model.lifecycle import (
    Reason as Reason,
)
from integration_app.model.lifecycle import (
    Received as Received,
)
from integration_app.model.lifecycle import (
    Released as Released,
)
from integration_app.model.lifecycle import (
    Replayed as Replayed,
)
from integration_app.model.lifecycle import (
    SeenInOmi as SeenInOmi,
)
from integration_app.model.lifecycle import (
    Settled as Settled,
)
from integration_app.model.lifecycle import (
    TextShown as TextShown,
)
from integration_app.model.lifecycle import (
    Unknown as Unknown,
)
from integration_app.model.lifecycle import (
    WholeAsked as WholeAsked,
)
from integration_app.model.lifecycle import (
    overall as overall,
)
from integration_app.model.lifecycle import (
    read_event as read_event,
)
from integration_app.model.messages import (
    NO_EVIDENCE as NO_EVIDENCE,
)
from integration_app.model.messages import (
    UNREADABLE as UNREADABLE,
)
from integration_app.model.messages import (
    Attachment as Attachment,
)
from integration_app.model.messages import (
    Content as Content,
)
from integration_app.model.messages import (
    Evidence as Evidence,
)
from integration_app.model.messages import (
    Hints as Hints,
)
from integration_app.model.messages import (
    InboundMessage as InboundMessage,
)
from integration_app.model.messages import (
    Kind as Kind,
)
from integration_app.model.messages import (
    PreparedText as PreparedText,
)
from integration_app.model.messages import (
    Route as Route,
)
from integration_app.model.messages import (
    Story as Story,
)
from integration_app.model.messages import (
    Trust as Trust,
)
from integration_app.model.messages import (
    Verdict as Verdict,
)
from integration_app.model.messages import (
    WaitingMessage as WaitingMessage,
)
from integration_app.model.user_rules import (
    Then as Then,
)
from integration_app.model.user_rules import (
    Through as Through,
)
from integration_app.model.user_rules import (
    UserRule as UserRule,
)

Clock = Callable[[], datetime]
