"""The table of decisions, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integration_app.model import Done, GateScope, Kind, Park, Reason, Reconcile, Retry, why
from integration_app.omi import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    InvalidRequest,
    OmiError,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from integration_app.pipeline.delivery.policy import (
    Situation,
    decide,
    is_outage,
    is_too_late,
    not_stored,
    outage_gate,
    read_back_failed,
)
from integration_app.pipeline.rules import Rules

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
RULES = Rules()


def situation(**changed: object) -> Situation:
    values: dict[str, object] = {"now": NOW, "kind": Kind.CONVERSATION, "first_tried_at": NOW}
    return Situation(**values | changed)  # type: ignore[arg-type]


def wait(error: OmiError, **changed: object) -> float:
    decision = decide(error, situation(**changed), RULES)
    assert isinstance(decision, Retry)
    return (decision.at - NOW).total_seconds()


def test_success_is_done() -> None:
    assert decide(None, situation(), RULES) == Done()


def test_a_rate_limit_with_retry_after_waits_exactly_that() -> None:
    error = RateLimited("", status=429, retry_after=2873.0)
    assert wait(error) == 2873.0
    assert 2873.0 < wait(error, chance=0.999) < 2873.3
    assert wait(error, tries=9) == 2873.0


def test_a_rate_limit_without_retry_after_doubles_from_one_second() -> None:
    error = RateLimited("", status=429)
    assert [wait(error, tries=tries) for tries in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert wait(error, tries=50) == 900.0


@pytest.mark.parametrize("error", [Unreachable(""), Unavailable("", status=503)])
def test_an_outage_doubles_up_to_five_minutes(error: OmiError) -> None:
    assert [wait(error, tries=tries) for tries in range(3)] == [1.0, 2.0, 4.0]
    assert wait(error, tries=50) == 300.0


def test_jitter_only_ever_adds() -> None:
    for chance in (0.0, 0.5, 0.999):
        assert 4.0 <= wait(RateLimited(""), tries=2, chance=chance) <= 5.0


def test_503_with_retry_after_waits_that() -> None:
    assert wait(Unavailable("", status=503, retry_after=30.0)) == 30.0


def test_retries_close_the_gate_of_one_uid_and_kind() -> None:
    for error in (RateLimited(""), RateLimited("", retry_after=1.0), Unreachable(""), Unavailable("")):
        decision = decide(error, situation(), RULES)
        assert isinstance(decision, Retry)
        assert decision.scope is GateScope.KIND
        assert not decision.alarm


def test_an_unknown_outcome_is_looked_up_at_once() -> None:
    assert decide(OutcomeUnknown("x", status=504), situation(), RULES) == Reconcile(NOW, "x")


def test_memories_with_an_unknown_outcome_are_sent_again() -> None:
    assert isinstance(decide(OutcomeUnknown("x"), situation(kind=Kind.MEMORIES, repeatable=True), RULES), Retry)


def test_a_user_who_left_holds_up_that_user_alone() -> None:
    decision = decide(AppNotEnabled("x"), situation(), RULES)
    assert decision == Retry(NOW + RULES.left_probe, Reason.NOT_ENABLED, GateScope.UID, left=True)


@pytest.mark.parametrize("error", [BadCredentials("x"), AppMisconfigured("x")])
def test_our_own_fault_holds_up_everybody_and_raises_an_alarm(error: OmiError) -> None:
    decision = decide(error, situation(), RULES)
    assert decision == Retry(NOW + timedelta(minutes=1), Reason.KEY_REFUSED, GateScope.ALL, "x", alarm=True)
    later = decide(error, situation(tries_for_all=9), RULES)
    assert isinstance(later, Retry)
    assert later.at == NOW + timedelta(minutes=15)


def test_an_invalid_request_is_parked() -> None:
    assert decide(InvalidRequest("x", status=422), situation(), RULES) == Park(Reason.REFUSED, "x")


def test_an_undocumented_answer_is_parked_with_an_alarm() -> None:
    assert decide(UnexpectedAnswer("x", status=418), situation(), RULES) == Reconcile(NOW, "x")


OLD = NOW - RULES.retry_horizon - timedelta(seconds=1)


def test_the_horizon_is_a_time_and_not_a_count() -> None:
    assert is_too_late(OLD, NOW, RULES)
    assert not is_too_late(OLD + timedelta(seconds=2), NOW, RULES)
    assert not is_too_late(None, NOW, RULES)


def test_what_is_certainly_not_stored_is_sent_again_at_growing_intervals_until_the_horizon() -> None:
    again = not_stored(situation(tries=3), RULES)
    assert isinstance(again, Retry)
    assert (again.at - NOW, again.scope) == (timedelta(seconds=8), GateScope.KIND)
    assert isinstance(not_stored(situation(first_tried_at=OLD), RULES), Park)


def test_a_missing_capability_holds_up_its_kind_alone() -> None:
    decision = decide(AppMisconfigured("x", capability=True), situation(), RULES)
    assert decision == Retry(
        NOW + timedelta(minutes=1), Reason.CAPABILITY_MISSING, GateScope.ALL_OF_KIND, "x", alarm=True
    )


def test_when_reading_back_is_refused_the_outcome_stays_unknown() -> None:
    limited = read_back_failed(Unreachable("x"), situation(), RULES)
    assert limited == Reconcile(NOW + timedelta(seconds=30), "cannot read back from Omi: x")
    refused = read_back_failed(BadCredentials("x"), situation(), RULES)
    assert isinstance(refused, Reconcile)
    assert refused.gate is not None
    assert (refused.gate.scope, refused.look_at) == (GateScope.ALL, refused.gate.at)
    left = read_back_failed(AppNotEnabled("x"), situation(), RULES)
    assert isinstance(left, Reconcile)
    assert left.gate is not None
    assert left.gate.left


def test_what_cannot_be_looked_up_is_parked_as_unknown() -> None:
    assert read_back_failed(AppMisconfigured("x", capability=True), situation(), RULES) == Park(
        Reason.UNREADABLE_OUTCOME, "outcome unknown: the app may not read conversations", alarm=True
    )
    late = read_back_failed(Unreachable("x"), situation(first_tried_at=OLD), RULES)
    assert isinstance(late, Park)
    assert why(late).startswith("outcome unknown")


def test_an_outage_stops_everybody_only_when_several_users_see_it() -> None:
    assert outage_gate(NOW, calls=50, uids=1, tries_for_all=0) is None
    assert outage_gate(NOW, calls=4, uids=4, tries_for_all=0) is None
    assert outage_gate(NOW, calls=5, uids=2, tries_for_all=0) == NOW + timedelta(seconds=10)
    assert outage_gate(NOW, calls=1, uids=1, tries_for_all=1) == NOW + timedelta(seconds=20), "a probe failed"
    assert outage_gate(NOW, calls=9, uids=9, tries_for_all=9) == NOW + timedelta(minutes=5)


def test_whose_trouble_it_is() -> None:
    assert all(
        is_outage(error) for error in (Unreachable(""), Unavailable(""), OutcomeUnknown(""), UnexpectedAnswer(""))
    )
    assert not any(is_outage(error) for error in (None, RateLimited(""), BadCredentials(""), InvalidRequest("")))


def test_a_text_that_omi_chokes_on_is_parked_after_an_hour_while_others_pass() -> None:
    long_ago = NOW - timedelta(hours=1, seconds=1)
    assert not_stored(situation(tries=6, first_tried_at=long_ago), RULES) == Park(Reason.FAILS_EACH_TIME, alarm=True)
    for waits in (
        situation(tries=5, first_tried_at=long_ago),
        situation(tries=60, first_tried_at=NOW - timedelta(minutes=59)),
        situation(tries=6, tries_for_all=1, first_tried_at=long_ago),
    ):
        assert isinstance(not_stored(waits, RULES), Retry)
