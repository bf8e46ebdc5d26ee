"""One table: what happened → what we do. All such decisions live here; nothing here acts.

`docs/operations.md` shows the same table, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_app.model import Decision, Done, GateScope, Kind, Park, Reason, Reconcile, Retry
from integration_app.omi import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    Conflict,
    InvalidRequest,
    MissingScope,
    OmiError,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from integration_app.pipeline.rules import Rules

FIRST_WAIT = timedelta(seconds=1)
RATE_LIMIT_WAIT_MAX = timedelta(minutes=15)
OUTAGE_WAIT_MAX = timedelta(minutes=5)
ALARM_WAIT = timedelta(minutes=1)
ALARM_WAIT_MAX = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=6)
READ_BACK_PAUSE = timedelta(seconds=30)
"""Pause between two tries to read back."""
OUTAGE_CALLS, OUTAGE_UIDS = 5, 2
"""How many calls in a row, of how many users, have to go unanswered before everybody waits."""
OUTAGE_GATE = timedelta(seconds=10)
LIMIT_UIDS = 5
"""How many users in a row, with no write taken in between, have to be told 429 before it is taken for everybody's."""
LIMIT_GATE_MAX = timedelta(seconds=30)
REPEATED_TRIES = 6
REPEATED_FOR = timedelta(hours=1)
"""After so many tries over so long, while Omi takes what others send, it is this text that Omi chokes on."""
EXACT_WAIT_MAX = timedelta(days=1)
"""Omi names an hour at the most; whatever says more is not believed."""
JITTER = 0.25
"""Share of a wait that is added at random. Added, never taken off: Omi documents the wait as a minimum."""
EXACT_JITTER = timedelta(milliseconds=250)
"""Spread after a time that Omi itself named."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision depends on besides the answer itself.

    `tries`: how often in a row the gate in question was closed before. `chance`: a random number in [0, 1).
    `repeatable`: sending the same again cannot double it.
    """

    now: datetime
    kind: Kind
    first_tried_at: datetime
    tries: int = 0
    tries_for_all: int = 0
    chance: float = 0.0
    repeatable: bool = False


def decide(error: OmiError | None, at: Situation, rules: Rules) -> Decision:  # noqa: C901 - it is a table
    """What to do after a call; `error` is None after a success."""
    match error:
        case None:
            return Done()
        case RateLimited(retry_after=None):
            return Retry(_backoff(at, RATE_LIMIT_WAIT_MAX), Reason.RATE_LIMIT, GateScope.KIND)
        case RateLimited(retry_after=float(seconds)):
            return Retry(_exactly(at, seconds), Reason.RATE_LIMIT, GateScope.KIND)
        case Unreachable():
            return Retry(_backoff(at, OUTAGE_WAIT_MAX), Reason.OMI_AWAY, GateScope.KIND, error.reason)
        case Unavailable(retry_after=float(seconds)):
            return Retry(_exactly(at, seconds), Reason.OMI_AWAY, GateScope.KIND, error.reason)
        case Unavailable():
            return Retry(_backoff(at, OUTAGE_WAIT_MAX), Reason.OMI_AWAY, GateScope.KIND, error.reason)
        case OutcomeUnknown() | UnexpectedAnswer() if at.repeatable:
            # the same content gets the same id, or the same session does: sending again cannot double it
            return Retry(_backoff(at, OUTAGE_WAIT_MAX), Reason.OMI_AWAY, GateScope.KIND, error.reason)
        case OutcomeUnknown() | UnexpectedAnswer():
            return Reconcile(at.now, error.reason)
        case AppNotEnabled():
            return Retry(at.now + rules.left_probe, Reason.NOT_ENABLED, GateScope.UID, left=True)
        case Conflict():
            return Retry(_backoff(at, OUTAGE_WAIT_MAX), Reason.OMI_AWAY, GateScope.KIND, error.reason)
        case AppMisconfigured(capability=True) | MissingScope():
            return Retry(_alarm_wait(at), Reason.CAPABILITY_MISSING, GateScope.ALL_OF_KIND, error.reason, alarm=True)
        case BadCredentials() | AppMisconfigured():
            return Retry(_alarm_wait(at), Reason.KEY_REFUSED, GateScope.ALL, error.reason, alarm=True)
        case InvalidRequest():
            return Park(Reason.REFUSED, error.reason)
        case _:
            return Park(Reason.UNEXPECTED, error.reason, alarm=True)


def counted_from(first: datetime | None, last: datetime | None, now: datetime) -> datetime | None:
    """From when the retry horizon counts; None when it begins anew.

    A pause longer than any that a rate limit or an outage asks for was an operator's doing, or the user's.
    """
    return None if last is None or now - last > LONGEST_PAUSE else first


def is_too_late(first_tried_at: datetime | None, now: datetime, rules: Rules) -> bool:
    """Omi has refused this for longer than the retry horizon: a budget of time, not of tries."""
    return first_tried_at is not None and now - first_tried_at > rules.retry_horizon


def read_back_failed(error: OmiError, at: Situation, rules: Rules) -> Decision:
    """What to do when Omi does not let us read back: the outcome stays unknown, so nothing is simply sent again."""
    if isinstance(error, AppMisconfigured):
        return Park(Reason.UNREADABLE_OUTCOME, "outcome unknown: the app may not read conversations", alarm=True)
    decision = decide(error, at, rules)
    gate = decision if isinstance(decision, Retry) and decision.scope is not GateScope.KIND else None
    if gate is None and is_too_late(at.first_tried_at, at.now, rules):
        return Park(Reason.UNREADABLE_OUTCOME, f"outcome unknown: could not read back from Omi ({error.reason})")
    later = gate.at if gate else at.now + _read_back_pause(at)
    return Reconcile(later, f"cannot read back from Omi: {error.reason}", gate)


MAY_BE_THERE = Park(
    Reason.UNREADABLE_OUTCOME,
    "after a gap of Redis: memories that this app made since it arrived may be its own; --without-a-look sends it",
    alarm=True,
)


def look_failed(error: OmiError, at: Situation, rules: Rules) -> Reconcile | Park:
    """What to do when Omi cannot be read after a gap of the store. `at.first_tried_at`: when the gap was.

    An outage passes, so only a list that is not of the documented form is given up, after the horizon.
    """
    decision = decide(error, at, rules)
    if isinstance(error, UnexpectedAnswer) and is_too_late(at.first_tried_at, at.now, rules):
        words = f"after a gap of the store Omi could not be read ({error.reason})"
        return Park(Reason.UNREADABLE_OUTCOME, words, alarm=True)
    words = f"after a gap of the store Omi cannot be read: {error.reason}"
    if isinstance(decision, Retry) and decision.scope is not GateScope.KIND:
        return Reconcile(decision.at, words, decision)
    later = decision.at if isinstance(decision, Retry) else at.now
    return Reconcile(max(later, at.now + _read_back_pause(at)), words)


def _read_back_pause(at: Situation) -> timedelta:
    """Longer the longer it has not worked: a tenth of that."""
    since = at.now - (at.first_tried_at or at.now)
    return min(max(since / 10, READ_BACK_PAUSE), OUTAGE_WAIT_MAX)


def not_stored(at: Situation, rules: Rules) -> Decision:
    """Omi certainly does not hold it: send it again, at growing intervals, until the horizon."""
    if is_too_late(at.first_tried_at, at.now, rules):
        return Park(Reason.GAVE_UP, f"gave up after {rules.retry_horizon}: Omi fails and does not store it")
    if at.tries >= REPEATED_TRIES and at.tries_for_all == 0 and at.now - at.first_tried_at > REPEATED_FOR:
        return Park(Reason.FAILS_EACH_TIME, alarm=True)
    return Retry(_backoff(at, OUTAGE_WAIT_MAX), Reason.NOT_STORED, GateScope.KIND)


def is_outage(error: OmiError | None) -> bool:
    """Omi did not answer, or failed: its trouble, not ours and no user's."""
    return isinstance(error, Unreachable | Unavailable | OutcomeUnknown | UnexpectedAnswer)


def proves_us(error: OmiError | None) -> bool:
    """Omi is there and took our key: it checks the key before it counts a call or looks whether the user is enabled."""
    return error is None or isinstance(error, RateLimited | AppNotEnabled)


def outage_gate(now: datetime, calls: int, uids: int, tries_for_all: int) -> datetime | None:
    """Until when everybody waits, once `calls` in a row over several users went unanswered; then one probes.

    One user's trouble alone is that user's: a text that Omi chokes on must not stop the others.
    """
    if tries_for_all == 0 and (calls < OUTAGE_CALLS or uids < OUTAGE_UIDS):
        return None
    return now + min(OUTAGE_GATE * float(2 ** min(tries_for_all, 10)), OUTAGE_WAIT_MAX)


def is_passing(retry_after: float | None, refused: int) -> bool:
    """Whether a user's 429 is over sooner than a gate for everybody would be: the first of a row, with a short wait."""
    return retry_after is not None and retry_after < OUTAGE_GATE.total_seconds() and refused <= 1


def limit_gate(now: datetime, uids: int, tries_for_all: int) -> datetime | None:
    """Until when everybody waits, once `uids` users in a row were told 429: no quota of theirs. Then one probes.

    A user whose own hour is used up is told so too; then the next user's success opens the gate at once.
    """
    if tries_for_all == 0 and uids < LIMIT_UIDS:
        return None
    return now + min(OUTAGE_GATE * float(2 ** min(tries_for_all, 10)), LIMIT_GATE_MAX)


def _backoff(at: Situation, longest: timedelta) -> datetime:
    """1, 2, 4 … s and up to a quarter more, as Omi documents it."""
    wait = min(FIRST_WAIT * float(2 ** min(at.tries, 20)), longest)
    return at.now + wait * (1 + JITTER * at.chance)


def _exactly(at: Situation, seconds: float) -> datetime:
    wait = min(max(timedelta(seconds=min(seconds, 1e6)), FIRST_WAIT), EXACT_WAIT_MAX)
    return at.now + wait + EXACT_JITTER * at.chance


def _alarm_wait(at: Situation) -> datetime:
    """How long everybody waits for an operator before one of us tries whether it has been mended."""
    return at.now + min(ALARM_WAIT * float(2 ** min(at.tries_for_all, 10)), ALARM_WAIT_MAX)
