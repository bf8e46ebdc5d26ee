"""What must survive: a worker killed in mid-call, a Redis that goes away, a polite stop."""

from __future__ import annotations

import signal
import time

import pytest

from tests.journeys.conftest import UID, Journey


@pytest.mark.parametrize("fault", ["slow", "slow_after"])
def test_a_worker_killed_in_mid_call_loses_nothing_and_doubles_nothing(journey: Journey, fault: str) -> None:
    """`slow`: the call is in flight and nothing is stored yet. `slow_after`: stored, and nobody was told."""
    journey.sandbox.fault(fault, seconds=1.5)
    assert journey.text("in the air").status_code == 200
    journey.until(lambda: journey.services.outbox.peek(UID).open)
    time.sleep(0.3)
    journey.stack.kill("worker")
    journey.stack.start("worker")
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    assert journey.held() == "Me: in the air"


def test_a_worker_killed_before_its_call_was_stored_sends_it_again(journey: Journey) -> None:
    """The call reached Omi and Omi lost it: after the lease and the settling pause it is sent once more."""
    journey.sandbox.fault("slow", seconds=600)  # this call never stores anything in our lifetime
    journey.text("lost on the way")
    journey.until(lambda: journey.services.outbox.peek(UID).open)
    journey.stack.kill("worker")
    journey.stack.start("worker")
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    assert journey.held() == "Me: lost on the way"


def test_a_job_that_rq_loses_is_done_all_the_same(journey: Journey) -> None:
    journey.stack.kill("worker")
    journey.text("the job is gone")
    journey.services.jobs.rq.enqueue_job(journey.services.jobs.job(UID))
    journey.services.queue_connection.delete(journey.services.jobs.rq.key)
    journey.stack.start("worker")
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    assert journey.held() == "Me: the job is gone"


def test_redis_away_for_twenty_seconds(journey: Journey) -> None:
    journey.sandbox.boost(100)
    journey.text("before")
    journey.until(lambda: journey.held() == "Me: before")
    journey.text("just before")
    journey.stack.kill("valkey")
    gone = time.monotonic()
    statuses = set()
    while time.monotonic() - gone < 20:
        statuses.add(journey.text("during", event_id="SMduring00000000000000000000000001").status_code)
        time.sleep(0.5)
    assert statuses == {503}
    journey.stack.start_redis()
    back = time.monotonic()
    journey.until(lambda: journey.text("during", event_id="SMduring00000000000000000000000001").status_code == 200)
    expected = "Me: before\n\nMe: just before\n\nMe: during"
    journey.until(lambda: journey.held() == expected, seconds=40)
    print(f"\nback {time.monotonic() - back:.1f} s after Redis was")
    for name in ("web", "worker"):
        assert journey.stack.processes[name].poll() is None, f"{name} came back by itself"


def test_sigterm_finishes_what_is_in_flight(journey: Journey) -> None:
    journey.sandbox.fault("slow", seconds=1.0)
    journey.text("last words")
    journey.until(lambda: journey.services.outbox.peek(UID).open)
    assert journey.stack.stop_one("worker") == 0
    assert journey.held() == "Me: last words"
    assert journey.services.outbox.size(UID) == 0


def test_a_second_signal_ends_the_worker_at_once(journey: Journey) -> None:
    """What was in the air comes back after its lease, as after any other death."""
    journey.sandbox.fault("slow_after", seconds=10)  # until the read time-out
    journey.text("hurried")
    journey.until(lambda: journey.services.outbox.peek(UID).open)
    worker = journey.stack.processes.pop("worker")
    worker.send_signal(signal.SIGTERM)
    time.sleep(1.4)
    assert worker.poll() is None, "it waits for what is in flight"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(5) == 1
    journey.stack.start("worker")
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    assert journey.held() == "Me: hurried"


def test_sigterm_is_heeded_while_redis_is_away(journey: Journey) -> None:
    journey.stack.kill("valkey")
    time.sleep(2)
    began = time.monotonic()
    assert journey.stack.stop_one("worker") == 0
    assert time.monotonic() - began < 15, "it did not have to be killed"


def test_what_was_accepted_survives_a_restart_of_everything(journey: Journey) -> None:
    journey.stack.kill("worker")
    for number in range(20):
        assert journey.text(f"text {number}").status_code == 200
    for name in ("web", "valkey"):
        journey.stack.kill(name)
    journey.stack.start_redis()
    journey.stack.start("web")
    journey.stack.start("worker")
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    assert journey.held() == "\n\n".join(f"Me: text {number}" for number in range(20))


def test_nothing_private_reaches_a_log_or_rq(journey: Journey) -> None:
    secret = "the password is swordfish"
    journey.sandbox.fault("500")
    journey.text(secret)
    journey.until(lambda: journey.services.outbox.size(UID) == 0)
    logs = "".join(path.read_text(errors="replace") for path in journey.stack.folder.glob("*.log"))
    assert "delivery" in logs, "there is something to look at"
    for private in (secret, "swordfish", "+15550001111", journey.stack.env["OMI_API_KEY"]):
        assert private not in logs
    for key in journey.services.queue_connection.keys("rq:*"):
        raw = journey.services.queue_connection.dump(key)
        assert raw is None or b"swordfish" not in raw
