"""After an unknown outcome: read back what Omi holds before anything is sent again.

For imports Omi's `created_at` is our `started_at`, so a window around it holds few conversations; ours is the one
with our microseconds and our text.
"""

from __future__ import annotations

from datetime import timedelta

from integration_app.model import Decision, Delivery, Done, Kind, Reconcile, Retry
from integration_app.omi import Conversation, IntegrationsClient, OmiError
from integration_app.pipeline.policy import Situation, look_failed, not_stored
from integration_app.pipeline.rules import Rules

_WINDOW = timedelta(seconds=2)


def reconcile(
    delivery: Delivery, omi: IntegrationsClient, rules: Rules, at: Situation, settles_in: timedelta | None
) -> tuple[Decision, bool, OmiError | None]:
    """Done (it is there), Retry (certainly not), Reconcile (look later) or Park (cannot look, or for too long).

    Omi works on after it has stopped answering; `settles_in` is how long it may still turn up, None when that is over.
    With it, whether Omi was asked, and the error with which it answered.
    """
    if delivery.lane.kind is Kind.MEMORIES:
        return Retry(at.now, "the worker died in mid-call; memories are simply sent again"), False, None
    try:
        found = _find(delivery, omi)
    except OmiError as error:
        return look_failed(error, at, rules), True, error
    if found:
        return Done("confirmed by read-back"), True, None
    if settles_in:
        return Reconcile(at.now + settles_in, "not in Omi yet; it may still be at it"), True, None
    return not_stored(at, rules), True, None


def _find(delivery: Delivery, omi: IntegrationsClient) -> Conversation | None:
    around = omi.iter_conversations(
        delivery.uid,
        include_discarded=True,
        start=delivery.started_at - _WINDOW,
        end=delivery.started_at + _WINDOW,
    )
    return next((conversation for conversation in around if _is_ours(conversation, delivery)), None)


def _is_ours(conversation: Conversation, delivery: Delivery) -> bool:
    """The microseconds are unique; the text is compared where Omi returns it (a locked one comes back blank).

    Where times come back in whole milliseconds, those and the same text are taken for ours.
    """
    times, text = (conversation.started_at, conversation.created_at), delivery.body.get("text")
    if delivery.started_at in times:
        return conversation.text in (None, "", text)
    micros = delivery.started_at.microsecond
    return delivery.started_at.replace(microsecond=micros - micros % 1000) in times and conversation.text == text
