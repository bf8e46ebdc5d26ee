"""After an unknown outcome: read back what Omi holds before anything is sent again.

For imports Omi's `created_at` is our `started_at`, so a window around it holds few conversations; ours is the one
with our microseconds and our text.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integration_app.model import Decision, Delivery, Done, Kind, Park, Reconcile, Retry
from integration_app.omi import AppMisconfigured, Conversation, IntegrationsClient, OmiError
from integration_app.pipeline.policy import look_again
from integration_app.pipeline.rules import Rules

_WINDOW = timedelta(seconds=2)
_LOOK_LATER = timedelta(seconds=30)


def reconcile(
    delivery: Delivery, omi: IntegrationsClient, rules: Rules, now: datetime
) -> tuple[Decision, OmiError | None]:
    """Done (it is there), Retry (it is not and cannot turn up any more), Reconcile (look later) or Park (cannot).

    With it, the error with which Omi answered the look, if any.
    """
    if delivery.lane.kind is Kind.MEMORIES:
        return Retry(now, "the worker died in the middle of a call; memories are simply sent again"), None
    try:
        found = _find(delivery, omi)
    except AppMisconfigured as error:
        return Park("outcome unknown: the app may not read conversations"), error
    except OmiError as error:
        if now - delivery.begun_at > rules.retry_horizon:
            return Park(f"outcome unknown: could not look into Omi ({error.reason})"), error
        return Reconcile(now + _LOOK_LATER, f"cannot look into Omi: {error.reason}"), error
    if found:
        return Done("confirmed by read-back"), None
    later = look_again(now, delivery.begun_at, rules)
    if later:
        return Reconcile(later, "not in Omi yet; it may still be at it"), None
    return Retry(now, "not in Omi after the settling pause: certainly not stored"), None


def _find(delivery: Delivery, omi: IntegrationsClient) -> Conversation | None:
    around = omi.iter_conversations(
        delivery.uid,
        include_discarded=True,
        start=delivery.started_at - _WINDOW,
        end=delivery.started_at + _WINDOW,
    )
    return next((conversation for conversation in around if _is_ours(conversation, delivery)), None)


def _is_ours(conversation: Conversation, delivery: Delivery) -> bool:
    """The microseconds are unique; the text is compared where Omi returns it (a locked one comes back blank)."""
    times = (conversation.started_at, conversation.created_at)
    return delivery.started_at in times and conversation.text in (None, "", delivery.body.get("text"))
