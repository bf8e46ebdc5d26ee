"""After an unknown outcome: find out what Omi holds before anything is sent again."""

from __future__ import annotations

from datetime import timedelta

from integration_app.model import Decision, Delivery, Done, Reason, Reconcile, Retry
from integration_app.omi import OmiError
from integration_app.pipeline.delivery.destinations import Destination
from integration_app.pipeline.delivery.policy import Situation, not_stored, read_back_failed
from integration_app.pipeline.rules import Rules


def reconcile(
    delivery: Delivery, omi: Destination, rules: Rules, at: Situation, settles_in: timedelta | None
) -> tuple[Decision, bool, OmiError | None]:
    """Done (it is there), Retry (certainly not), Reconcile (read again later) or Park (not readable, or for too long).

    Omi works on after it has stopped answering; `settles_in` is how long it may still turn up, None when that is over.
    With it, whether Omi was asked, and the error with which it answered.
    """
    if omi.repeatable(delivery.lane.kind, long=delivery.is_long):
        return Retry(at.now, Reason.INTERRUPTED), False, None
    try:
        found = omi.find(delivery)
    except OmiError as error:
        return read_back_failed(error, at, rules), True, error
    if found:
        return Done(Reason.CONFIRMED), True, None
    if settles_in:
        return Reconcile(at.now + settles_in, "not in Omi yet; it may still turn up"), True, None
    return not_stored(at, rules), True, None
