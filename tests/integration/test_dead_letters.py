"""Dead letters and replay: counted first, capped, cancellable, with provenance; and what a preview says."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from integration_app.bootstrap import Services
from integration_app.model import GateScope, Kind
from integration_app.pipeline.upkeep.replay import Selection
from tests.conftest import Cli, Clock
from tests.integration.helpers import link, refusal, run_due, run_to_rest, state, text
from tests.sandbox_control import SandboxControl


@pytest.fixture
def parked(services: Services, sandbox: SandboxControl, clock: Clock) -> list[str]:
    """Five texts whose outcome is unknown and cannot be looked up: stored in Omi, in truth, but for the first."""
    sandbox.enable("u")
    sandbox.boost(100)
    link(services, "u")
    sandbox.app(actions=["create_conversation"])
    ids = []
    for number in range(5):
        sandbox.fault("error_before" if number == 0 else "timeout_after")
        ids.append(text(services, f"text {number}"))
        run_to_rest(services, clock)
    assert [state(services, message_id, "u") for message_id in ids] == ["parked"] * 5
    sandbox.app(actions=["create_conversation", "read_conversations"])
    return ids


def test_they_are_listed_with_reason_age_and_attempts(
    services: Services, clock: Clock, parked: list[str], cli: Cli
) -> None:
    clock.pass_time(hours=2)
    rows = json.loads(cli("dead-letters", "--json").stdout)
    assert len(rows) == 5
    assert rows[0]["reason"] == "outcome unknown: the app may not read conversations"
    assert rows[0]["attempts"] == 1
    assert rows[0]["count"] == 1
    shown = cli("dead-letters", "show", rows[0]["id"])
    assert parked[0] in shown.stdout
    assert "text 0" not in shown.stdout
    assert cli("dead-letters", "show", "d0").exit_code == 3


def test_one_is_sent_again_by_choice(
    services: Services, sandbox: SandboxControl, clock: Clock, parked: list[str], cli: Cli
) -> None:
    rows = json.loads(cli("dead-letters", "--json").stdout)
    assert cli("dead-letters", "replay", rows[0]["id"]).exit_code == 0
    run_to_rest(services, clock)
    assert state(services, parked[0], "u") == "done"
    assert "Me: text 0" in sandbox.texts("u")
    assert cli("dead-letters", "replay", rows[0]["id"]).exit_code == 3, "only once"
    story = services.timeline.show(parked[0])
    assert story is not None
    events = [event["event"] for event in story["events"]]
    assert events[:5] == ["received", "begun", "unknown", "parked", "replayed"]
    assert events[5:] == ["unknown", "withdrawn", "begun", "done"], "Omi was read before it was sent"
    replayed = story["events"][4]
    assert replayed["uid"] == "u"
    assert "dead-letters replay" in replayed["by"]
    assert "dead-letters replay" in cli("messages", "show", parked[0]).stdout


def test_a_dry_run_counts_and_changes_nothing(
    services: Services, sandbox: SandboxControl, parked: list[str], cli: Cli
) -> None:
    cost = json.loads(cli("replay", "--dry-run", "--json").stdout)
    assert (cost["dead_letters"], cost["messages"], cost["uids"]) == (5, 5, 1)
    assert cost["calls"] == {"conversation": 5}
    assert cli("replay", "--dry-run").stdout.startswith("5 dead letters with 5 messages of 1 user\n")
    assert len(services.dead_letters.list()) == 5


def test_the_cost_knows_the_quota_once_omi_has_named_it(
    services: Services, sandbox: SandboxControl, clock: Clock, parked: list[str]
) -> None:
    deliveries = [delivery for delivery, _ in services.replays.find(Selection())]
    assert services.replays.cost(deliveries).over_quota == ()
    services.quotas.learn("u", Kind.CONVERSATION, 6, now=clock())
    assert services.replays.cost(deliveries).over_quota == ("u",), "five of six are used, five more are wanted"
    services.gates.close(GateScope.UID, "u", None, refusal(clock() + timedelta(1), "x"), now=clock())
    assert services.replays.cost(deliveries).held_up == ("u",)


def test_a_selection_by_reason_uid_and_time(services: Services, clock: Clock, parked: list[str]) -> None:
    def count(**selection: object) -> int:
        return len(services.replays.find(Selection(**selection)))  # type: ignore[arg-type]

    assert count(uid="u", reason="OUTCOME unknown") == 5
    assert count(uid="v") == count(reason="gave up") == 0
    first = services.dead_letters.list()[0][1]
    assert count(until=first) == 1
    assert count(since=first + timedelta(milliseconds=1)) == 4


def test_a_replay_keeps_to_its_rate_and_can_be_cancelled(
    services: Services, sandbox: SandboxControl, clock: Clock, parked: list[str], cli: Cli
) -> None:
    result = cli("replay", "--rate", "1", "--yes")
    replay_id = result.stdout.strip().splitlines()[-1]
    services.dead_letters._redis.hset(f"oi:replay:{replay_id}", "started_ms", int(clock().timestamp() * 1000))
    assert services.replays.step(clock()) == 1
    assert services.replays.step(clock()) == 0
    clock.pass_time(seconds=61)
    assert services.replays.step(clock()) == 1
    assert cli("replay", "status", replay_id).stdout.startswith("running: 2 of 5, 1 a minute")
    assert cli("replay", "cancel", replay_id).exit_code == 0
    clock.pass_time(hours=1)
    assert services.replays.step(clock()) == 0
    assert len(services.dead_letters.list()) == 3
    assert cli("replay", "cancel", replay_id).exit_code == 3
    assert cli("replay", "status", "r0").exit_code == 3


def test_a_replay_runs_to_its_end(services: Services, sandbox: SandboxControl, clock: Clock, parked: list[str]) -> None:
    deliveries = [delivery for delivery, _ in services.replays.find(Selection())]
    replay_id = services.replays.start(deliveries, by="test", rate=600)
    clock.pass_time(minutes=1)
    services.replays.step(clock())
    run_to_rest(services, clock)
    status = services.replays.status(replay_id)
    assert status is not None
    assert (status.state, status.done) == ("finished", 5)
    assert [state(services, message_id, "u") for message_id in parked] == ["done"] * 5


def test_dropping_lets_go_of_the_text(services: Services, parked: list[str], cli: Cli) -> None:
    row = json.loads(cli("dead-letters", "--json").stdout)[0]
    assert cli("dead-letters", "drop", row["id"]).exit_code != 0, "it asks first"
    assert cli("dead-letters", "drop", row["id"], "--yes").exit_code == 0
    assert state(services, parked[0], "u") == "dropped"
    assert services.inbox.text(parked[0]) is None
    assert len(services.dead_letters.list()) == 4


def test_a_preview_says_when_it_will_land_and_why_then(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    link(services, "u")
    first = text(services, "one")
    clock.pass_time(seconds=10)
    second = text(services, "two")
    (landing,) = services.estimates.of("u")
    assert landing.message_ids == (first, second)
    assert (landing.at - clock()).total_seconds() == pytest.approx(20)
    assert landing.why == "waiting for more"
    sandbox.fault("429", retry_after=600)
    clock.pass_time(seconds=21)
    run_due(services, clock)
    (landing,) = services.estimates.of("u")
    assert (landing.at - clock()).total_seconds() == pytest.approx(600, abs=1)
    assert landing.why == "Omi's rate limit"
    run_to_rest(services, clock)
    assert services.estimates.of("u") == []


def test_limits_are_learned_from_headers_and_calls_are_counted(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    link(services, "u")
    assert services.quotas.of("u")[Kind.CONVERSATION].limit is None, "nothing is assumed"
    for number in range(11):
        text(services, f"text {number}")
        clock.pass_time(seconds=60)
        run_due(services, clock)
    quota = services.quotas.of("u")[Kind.CONVERSATION]
    assert (quota.limit, quota.used, quota.left) == (10, 10, 0)
