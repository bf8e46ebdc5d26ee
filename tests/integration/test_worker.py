"""The RQ worker with many slots: the keys that it writes are RQ's own, whoever else reads them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.connection
from redis import Redis
from rq import SimpleWorker, Worker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import as_text, utcparse

from integration_app.bootstrap import Services
from integration_app.job_queue import QUEUE_NAME
from integration_app.local.ports import free_port
from integration_app.model import Trust, Verdict
from integration_app.operations.alerting.problems import standing
from integration_app.providers import registry
from integration_app.store import codec, connections, keys
from integration_app.store.accounts import name_of
from integration_app.store.connections import connect
from integration_app.store.ingest import Receipt
from integration_app.web.app import create_app
from tests.clusters import Server
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, text
from tests.sandbox_control import SandboxControl
from tests.unit.factories import message
from workers import concurrent, jobs, rq_protocol
from workers.concurrent import ConcurrentWorker
from workers.rq_protocol import RqProtocol


@pytest.fixture
def now(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    """Services with the real clock, where everything is due at once."""
    services = build(SMS_QUIET_SECONDS="0", SMS_MAX_WAIT_SECONDS="0", real_time=True)
    sandbox.enable("u")
    link(services, "u")
    return services


def worker(
    services: Services, stop: threading.Event | None = None, *, slots: int = 4, grace: float = 5
) -> ConcurrentWorker:
    return ConcurrentWorker(
        services, slots=slots, name=f"test-{time.monotonic_ns()}", stop=stop or threading.Event(), grace=grace
    )


@contextmanager
def at_work(services: Services, **how: Any) -> Iterator[ConcurrentWorker]:
    stop = threading.Event()
    mine = worker(services, stop, **how)
    thread = threading.Thread(target=mine.run, kwargs={"burst": False})
    thread.start()
    try:
        yield mine
    finally:
        stop.set()
        thread.join(20)


def until(look: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)


# --- accepting ----------------------------------------------------------------------------------------------


def trips(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    counted = []
    real = redis.connection.AbstractConnection.send_packed_command

    def send(self: Any, command: Any, check_health: bool = True) -> None:
        counted.append(command)
        real(self, command, check_health)  # type: ignore[no-untyped-call]

    with monkeypatch.context() as patch:
        patch.setattr(redis.connection.AbstractConnection, "send_packed_command", send)
        act()
    return len(counted)


@pytest.mark.parametrize("name", sorted(registry.specs()))
def test_accepting_takes_one_round_trip(
    name: str, build: Callable[..., Services], settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dedupe, recipients, message, outboxes, due times, the job and the count, in one step, through every door."""
    spec = registry.specs()[name]
    assert spec.sender is not None
    services = build(SMS_QUIET_SECONDS="0", SMS_MAX_WAIT_SECONDS="0", real_time=True)
    link(services, "u")
    if spec.account:
        link(services, "u", phone=spec.account)
    installation = services.installations.get("u")
    assert installation is not None
    client = create_app(services).test_client()
    sender = spec.sender(settings)
    to = f"{installation.inbox_token}@in.example.com"

    def post(number: int) -> Callable[[], object]:
        sample = next(iter(sender.samples().values()))
        sample = replace(
            sample,
            sender=sample.sender.replace("{phone}", PHONE).replace("{account}", spec.account),
            to=to,
            text=f"text {number}",
            event_id=f"SM{number:032x}",
        )
        made = sender.build_request(sample, services.settings.public_base_url, services.clock())

        def send() -> None:
            answer = client.post(made.path, data=made.body, headers=dict(made.headers))
            assert answer.headers["X-Outcome"] == "stored", answer.headers

        return send

    post(1)()  # the script is loaded with the first one
    asked_for_receipts = 2 if spec.provider.gives_receipts else 0  # afterwards: whether the sender wants to be shown it
    assert trips(post(2), monkeypatch) == 1 + asked_for_receipts
    assert services.jobs.length() == 2


def test_the_job_is_what_rq_itself_would_write(now: Services) -> None:
    """Held against the installed RQ, so that an upgrade cannot rot it silently."""
    text(now, "hello")
    (mine,) = now.jobs.rq.jobs
    theirs = now.jobs.rq.enqueue_job(now.jobs.job("u"))
    raw = now.queue_connection
    ours, rqs = raw.hgetall(mine.key), raw.hgetall(theirs.key)
    for different in (b"created_at", b"enqueued_at"):
        assert utcparse(as_text(ours.pop(different))) <= utcparse(as_text(rqs.pop(different)))
    assert ours == {name: value for name, value in rqs.items() if value}, "RQ reads nothing where it is lacking"
    assert raw.ttl(mine.key) == raw.ttl(theirs.key) == -1
    assert raw.smembers("rq:queues") == {b"rq:queue:omi-inbox"}
    assert mine.get_status() is JobStatus.QUEUED
    assert mine.func_name == "workers.jobs.drain"
    assert mine.meta == {"uid": "u"}
    assert raw.lrange("rq:queue:omi-inbox", 0, -1) == [mine.id.encode(), theirs.id.encode()]


# --- working ------------------------------------------------------------------------------------------------


def test_jobs_run_and_leave_nothing_behind(now: Services, sandbox: SandboxControl) -> None:
    text(now, "hello")
    before = set(now.queue_connection.scan_iter("rq:*"))
    assert before == {b"rq:queues", b"rq:queue:omi-inbox", *(key for key in before if key.startswith(b"rq:job:"))}
    assert worker(now).run(burst=True)
    assert len(sandbox.texts("u")) == 1
    left = set(now.queue_connection.scan_iter("rq:*"))
    assert {key for key in left if not key.startswith(b"rq:worker")} == {b"rq:queues"}


def test_many_at_a_time(now: Services, sandbox: SandboxControl) -> None:
    uids = [f"m{number}" for number in range(8)]
    sandbox.enable(*uids)
    link(now, *uids, phone="+15550002222")
    sandbox.fault("slow", seconds=1.0, times=None)
    arrived = message("hello", sender="+15550002222", dedupe_keys=("many",), received_at=now.clock())
    now.intake.accept(arrived)
    began = time.monotonic()
    with at_work(now, slots=8):
        until(lambda: len(sandbox.calls("create_conversation")) >= 8)
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 0)
    assert time.monotonic() - began < 6, "one after the other would take eight"
    assert all(len(sandbox.texts(uid)) == 1 for uid in uids)


def test_what_comes_due_is_begun_at_once_and_never_early(now: Services, sandbox: SandboxControl) -> None:
    with at_work(now):
        time.sleep(0.3)
        due = now.clock() + timedelta(seconds=0.5)
        arrived = message("hello", sender=PHONE, dedupe_keys=("due",), received_at=now.clock())
        accepted = now.ingest.accept("m1", arrived, (Verdict(Trust.ALLOWED),) * 4, due_at=due, now=now.clock())
        assert accepted.receipt is Receipt.STORED
        until(lambda: now.due.at("u") is None)
    (call,) = sandbox.calls("create_conversation")
    assert timedelta(0) <= datetime.fromtimestamp(call["at"], UTC) - due < timedelta(seconds=2)


def test_a_drain_that_fails_is_in_rqs_registry_without_anybodys_words(
    now: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "secret words"

    def fail(uid: str) -> None:
        raise RuntimeError(words)

    text(now, "hello")
    monkeypatch.setattr(type(now.drain), "run", lambda self, uid: fail(uid))
    worker(now).run(burst=True)
    (failed,) = FailedJobRegistry(queue=now.jobs.rq).get_job_ids()
    result = Job.fetch(failed, now.queue_connection, serializer=JSONSerializer).latest_result()
    assert result is not None
    assert "RuntimeError" in str(result.exc_string)
    assert "secret" not in str(result.exc_string)
    assert StartedJobRegistry(queue=now.jobs.rq).count == 0


def test_jobs_of_others_in_this_queue_are_run_rqs_way(now: Services) -> None:
    queue = now.jobs.rq
    fine = queue.enqueue("os.path.join", "a", "b", result_ttl=60)
    after = queue.enqueue("os.path.basename", "x/y", depends_on=fine)
    broken = queue.enqueue("os.path.nothing")
    worker(now).run(burst=True)
    assert fine.get_status() is JobStatus.FINISHED
    assert fine.return_value() == "a/b"
    assert after.get_status() is JobStatus.FINISHED
    assert broken.get_status() is JobStatus.FAILED


def test_a_job_that_waits_for_a_drain_runs_after_it(now: Services) -> None:
    text(now, "hello")
    (drain,) = now.jobs.rq.jobs
    after = now.jobs.rq.enqueue("os.path.basename", "x/y", depends_on=drain)
    worker(now).run(burst=True)
    assert after.get_status() is JobStatus.FINISHED


# --- RQ's own tools -----------------------------------------------------------------------------------------


def rq(services: Services, *words: str) -> str:
    command = [str(Path(sys.executable).parent / "rq"), *words, "--url", services.settings.redis_url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_rq_info_suspend_and_resume(now: Services, sandbox: SandboxControl) -> None:
    with at_work(now, slots=2) as mine:
        until(lambda: mine.name in rq(now, "info", "--raw"))
        rq(now, "suspend")
        time.sleep(0.5)
        text(now, "while suspended")
        time.sleep(0.7)
        assert sandbox.calls("create_conversation") == []
        assert f"queue {QUEUE_NAME} 1" in rq(now, "info", "--raw")
        (known,) = [found for found in Worker.all(now.queue_connection) if found.name == mine.name]
        assert known.get_state() == "suspended"
        rq(now, "resume")
        until(lambda: len(sandbox.texts("u")) == 1)
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 0)
        known.refresh()
        assert known.successful_job_count == 1
    assert mine.name not in rq(now, "info", "--raw")


def test_registries_and_executions_show_what_runs(now: Services, sandbox: SandboxControl) -> None:
    sandbox.fault("slow", seconds=1.5)
    text(now, "hello")
    with at_work(now) as mine:
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 1)
        ((job_id, execution_id),) = StartedJobRegistry(queue=now.jobs.rq).get_job_and_execution_ids()
        job = Job.fetch(job_id, now.queue_connection, serializer=JSONSerializer)
        assert (job.get_status(), job.worker_name) == (JobStatus.STARTED, mine.name)
        (execution,) = job.get_executions()
        assert (execution.id, execution.worker_name) == (execution_id, mine.name)
        assert [row.id for row in mine.get_current_executions(refresh=True)] == [execution_id]
        assert mine.get_current_executions()[0].job_id == job_id
        before = execution.last_heartbeat
        time.sleep(0.05)
        assert mine._protocol.heartbeat(list(mine._running.values()), worker_ttl=90, now=datetime.now(UTC))
        execution.refresh()
        assert execution.last_heartbeat > before
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 0)


def test_a_heartbeat_brings_no_finished_job_back(now: Services) -> None:
    text(now, "hello")
    mine = worker(now)
    protocol = RqProtocol(now, now.queue_connection, mine.key, mine.executions_key, mine.name)
    taken = protocol.dispatch([], 0, free=5, foreign=9, now=now.clock()).claimed
    protocol.dispatch(taken, 0.1, free=0, foreign=9, now=now.clock())
    protocol.heartbeat(taken, worker_ttl=90, now=now.clock())
    assert not list(now.queue_connection.scan_iter("rq:job:*"))
    assert not list(now.queue_connection.scan_iter("rq:execution*"))


def test_ours_goes_before_a_queue_full_of_jobs_of_others(now: Services) -> None:
    for _ in range(260):
        now.jobs.rq.enqueue("time.sleep", 30)
    text(now, "hello")
    mine = worker(now)
    protocol = RqProtocol(now, now.queue_connection, mine.key, mine.executions_key, mine.name)
    found = protocol.dispatch([], 0, free=3, foreign=1, now=now.clock())
    assert len(found.claimed) == 2, "one of theirs, and ours"
    assert now.queue_connection.llen(now.jobs.rq.key) == 259, "what was put back is kept, in its order"


def test_rqs_own_worker_takes_from_the_same_queue(now: Services, sandbox: SandboxControl) -> None:
    text(now, "hello")
    jobs.use(now)
    SimpleWorker([QUEUE_NAME], connection=now.queue_connection, serializer=JSONSerializer).work(burst=True)
    assert len(sandbox.texts("u")) == 1


def test_an_abandoned_job_is_taken_for_failed_by_rq_and_its_message_still_arrives(
    now: Services, sandbox: SandboxControl
) -> None:
    text(now, "hello")
    mine = worker(now)
    protocol = RqProtocol(now, now.queue_connection, mine.key, mine.executions_key, mine.name)
    assert len(protocol.dispatch([], 0, free=5, foreign=9, now=now.clock()).claimed) == 1  # and then it dies
    wip = StartedJobRegistry(queue=now.jobs.rq)
    wip.cleanup(time.time() + 200)
    assert FailedJobRegistry(queue=now.jobs.rq).count == 1
    until(lambda: worker(now).run(burst=True), 10)
    assert len(sandbox.texts("u")) == 1


# --- the end ------------------------------------------------------------------------------------------------


def test_what_runs_is_finished_at_the_end(now: Services, sandbox: SandboxControl) -> None:
    sandbox.fault("slow", seconds=1.0)
    text(now, "hello")
    with at_work(now):
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 1)
    assert len(sandbox.texts("u")) == 1
    assert StartedJobRegistry(queue=now.jobs.rq).count == 0


def test_what_outlasts_the_grace_period_is_given_back(now: Services, sandbox: SandboxControl) -> None:
    sandbox.fault("slow", seconds=3.0)
    text(now, "hello")
    with at_work(now, grace=0.3):
        until(lambda: StartedJobRegistry(queue=now.jobs.rq).count == 1)
    assert StartedJobRegistry(queue=now.jobs.rq).count == 0
    (job,) = now.jobs.rq.jobs
    assert job.get_status() is JobStatus.QUEUED
    assert job.worker_name is None
    until(lambda: sandbox.texts("u"))  # the call went on: nothing can stop it


# --- the due set --------------------------------------------------------------------------------------------


def test_nobody_is_named_while_everybody_waits_and_one_at_a_time_afterwards(services: Services, clock: Clock) -> None:
    redis_ = services.due._redis
    for number in range(10):
        services.due.set(f"g{number}", clock())
    until_ms = codec.ms(clock() + timedelta(seconds=30))
    redis_.hset(keys.gate("all"), mapping={"until_ms": until_ms, "until": "x", "reason": "x", "tries": 1})
    assert services.due.promote(now=clock(), repeat_ms=5000, limit=100) == []
    clock.pass_time(seconds=31)
    assert len(services.due.promote(now=clock(), repeat_ms=5000, limit=100)) == 1
    redis_.set(keys.PROBING, "g0", px=60_000)
    assert services.due.promote(now=clock(), repeat_ms=5000, limit=100) == []
    redis_.delete(keys.PROBING, keys.gate("all"))
    clock.pass_time(seconds=4)
    assert len(services.due.promote(now=clock(), repeat_ms=5000, limit=100)) >= 9


def test_a_closed_gate_of_one_uid_names_only_the_others(services: Services, clock: Clock) -> None:
    for uid in ("a", "b"):
        services.due.set(uid, clock())
    later = clock() + timedelta(hours=6)
    services.due._redis.hset(
        keys.gate("uid:a"), mapping={"until_ms": codec.ms(later), "until": "x", "reason": "x", "tries": 1}
    )
    assert services.due.promote(now=clock(), repeat_ms=5000, limit=100) == ["b"]
    assert services.due.at("a") == codec.from_ms(codec.ms(later))


def test_a_delivery_takes_three_round_trips(
    now: Services, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lease and look; write it down; record what became of it and give the outbox back. The call is in between."""
    text(now, "first")
    now.drain.run("u")  # scripts are loaded
    text(now, "second")
    assert trips(lambda: now.drain.run("u"), monkeypatch) == 3
    assert len(sandbox.texts("u")) == 2
    assert now.due.at("u") is None


def test_a_job_that_exits_costs_no_slot(now: Services) -> None:
    gone = now.jobs.rq.enqueue("sys.exit", 1)
    fine = now.jobs.rq.enqueue("os.path.basename", "x/y", result_ttl=60)
    worker(now, slots=1).run(burst=True)
    assert gone.get_status() is JobStatus.FAILED
    assert fine.get_status() is JobStatus.FINISHED


def test_signs_of_life_go_on_until_the_last_call_has_ended(
    now: Services, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that Redis has forgotten is registered again; nobody takes its jobs for abandoned while it stops."""
    monkeypatch.setattr(concurrent, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(rq_protocol, "EXECUTION_SECONDS", 1)
    sandbox.fault("slow", seconds=1.8)
    text(now, "hello")
    wip = StartedJobRegistry(queue=now.jobs.rq)
    with at_work(now) as mine:
        until(lambda: wip.count == 1)
        now.queue_connection.delete(mine.key)
        now.queue_connection.hset(mine.key, "state", "busy")  # as a dispatch writes it
        until(lambda: now.queue_connection.hexists(mine.key, "birth"))
        ends = mine._stop
        ends.set()
        time.sleep(1.4)
        wip.cleanup()
        assert FailedJobRegistry(queue=now.jobs.rq).count == 0
    assert len(sandbox.texts("u")) == 1


def test_connections_that_are_cut_are_replaced(now: Services, sandbox: SandboxControl) -> None:
    """All of them, again and again, also the doorbell's; the worker goes on with new ones."""
    with at_work(now):
        for number in range(1, 5):
            now.queue_connection.client_kill_filter(_type="normal", skipme=True)
            text(now, f"text {number}")
            until(lambda number=number: "\n".join(sandbox.texts("u")).count("text") == number, 20)  # type: ignore[misc]
            until(lambda: now.due.at("u") is None)


# --- connections --------------------------------------------------------------------------------------------


def test_a_pool_shared_by_many_threads(now: Services) -> None:
    client = connect(now.settings.redis_url, decode=True)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: client.incrby("shared", n), range(1, 501)))
    assert len(set(answers)) == len(answers), "nobody got another's answer"
    assert int(str(client.get("shared"))) == sum(range(1, 501))
    mine = [row for row in now.queue_connection.client_list() if row["cmd"] in ("incrby", "get")]
    assert len(mine) <= 16
    client.close()
    assert all(not connection.is_connected for connection in client.connection_pool._in_use_connections)


@pytest.mark.parametrize("fresh", [0.0, 1.0])
def test_a_connection_that_was_closed_while_idle_is_replaced(
    now: Services, monkeypatch: pytest.MonkeyPatch, fresh: float
) -> None:
    """Asked beforehand where it lay idle for long, else found out by the command, which is then sent once more."""
    monkeypatch.setattr(connections, "FRESH_SECONDS", fresh)
    client = connect(now.settings.redis_url, decode=True)
    client.set("x", "1")
    now.queue_connection.client_kill_filter(_type="normal", skipme=True)
    assert client.get("x") == "1"
    client.close()


# --- a queue that lies elsewhere ------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(build: Callable[..., Services], settings: dict[str, str], sandbox: SandboxControl) -> Iterator[Services]:
    """RQ in a database of its own."""
    url = settings["REDIS_URL"].rpartition("/")[0] + "/5"
    services = build(SMS_QUIET_SECONDS="0", SMS_MAX_WAIT_SECONDS="0", RQ_REDIS_URL=url, real_time=True)
    services.queue_connection.flushdb()
    sandbox.enable("u")
    link(services, "u")
    yield services
    services.queue_connection.flushdb()


def test_a_queue_may_lie_in_another_redis(elsewhere: Services, settings: dict[str, str]) -> None:
    message_id = text(elsewhere, "through another queue")
    assert elsewhere.jobs.length() == 0, "what accepts it cannot reach the queue"
    with at_work(elsewhere):
        until(lambda: elsewhere.inbox.states([message_id], "u") == ["done"])
        assert list(elsewhere.queue_connection.scan_iter("rq:*"))
    with connect(settings["REDIS_URL"], decode=True) as store:
        assert not list(store.scan_iter("rq:*")), "nothing of RQ's lies beside the messages"


def test_a_queue_that_loses_everything_costs_nothing(elsewhere: Services, sandbox: SandboxControl) -> None:
    ids = []
    with at_work(elsewhere):
        for number in range(10):
            ids.append(text(elsewhere, f"text {number}."))
            elsewhere.queue_connection.flushdb()
        until(lambda: elsewhere.inbox.states(ids, "u") == ["done"] * 10)
    said = "\n".join(sandbox.texts("u"))
    assert [said.count(f"text {number}.") for number in range(10)] == [1] * 10


def test_a_queue_that_is_away_is_told(build: Callable[..., Services], redis: Redis) -> None:
    services = build(RQ_REDIS_URL=f"redis://127.0.0.1:{free_port(0)}/0")
    assert "queue" in {problem.key for problem in standing(services).problems}
    link(services, "u")
    assert text(services, "taken in all the same")


def test_an_event_is_known_to_processes_of_the_version_before(services: Services, redis: Redis) -> None:
    """While an update rolls out, a provider may be answered by either."""
    link(services, "u")
    text(services, "a store of this version")
    assert not list(redis.scan_iter(f"{keys.SEEN}*")), "a new store has no such processes"
    redis.hdel(keys.STORE, "known")
    text(services, "a store of before")
    (known,) = redis.scan_iter(f"{keys.SEEN}*")
    assert 0 < redis.ttl(known) <= 3600


# --- what the append-only file keeps ------------------------------------------------------------------------


def test_over_a_restart_no_job_of_ours_says_anything_and_none_of_others_runs_twice(
    build: Callable[..., Services], sandbox: SandboxControl, tmp_path: Path
) -> None:
    server = Server(tmp_path / "valkey")
    try:
        quiet = {"SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "OMI_SETTLE_SECONDS": "1"}
        services = build(REDIS_URL=server.url, real_time=True, **quiet)
        services.identity.init(now=services.clock())
        sandbox.enable("u")
        link(services, "u")
        queue = services.jobs.rq
        ids = [text(services, f"text {number}.") for number in range(5)]
        once = [queue.enqueue("os.mkdir", str(tmp_path / name), result_ttl=0) for name in ("a", "b")]
        with at_work(services):
            until(lambda: services.inbox.states(ids, "u") == ["done"] * 5 and (tmp_path / "b").exists())
            until(lambda: StartedJobRegistry(queue=queue).count == 0)
        ids.append(text(services, "text 5."))
        later = queue.enqueue("os.mkdir", str(tmp_path / "c"), result_ttl=0)
        assert services.jobs.length() == 2
        server.kill()
        server.start()
        assert [job.id for job in queue.jobs] == [later.id], "of the other one the queue knows the id alone"
        assert [key.decode() for key in services.queue_connection.scan_iter("rq:job:*")] == [later.key]
        with at_work(services):
            until(lambda: services.inbox.states(ids, "u") == ["done"] * 6, 30)
            until((tmp_path / "c").exists)
        assert FailedJobRegistry(queue=queue).count == 0, "a folder is made once"
        assert not any(Job.exists(job.id, services.queue_connection) for job in once)
    finally:
        server.kill()
    said = "\n".join(sandbox.texts("u"))
    assert [said.count(f"text {number}.") for number in range(6)] == [1] * 6


@pytest.fixture
def on_disk(
    build: Callable[..., Services], sandbox: SandboxControl, tmp_path: Path
) -> Iterator[tuple[Services, Server]]:
    """Beside a server of its own, with an append-only file."""
    server = Server(tmp_path / "valkey")
    quiet = {"SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "OMI_SETTLE_SECONDS": "1"}
    services = build(REDIS_URL=server.url, real_time=True, **quiet)
    services.identity.init(now=services.clock())
    sandbox.enable("u")
    link(services, "u")
    yield services, server
    server.kill()


def test_a_job_of_others_is_kept_where_rqs_own_worker_took_ours(
    on_disk: tuple[Services, Server], tmp_path: Path
) -> None:
    """RQ takes by place, and what it took is in the append-only file."""
    services, server = on_disk
    queue = services.jobs.rq
    text(services, "ours")
    later = queue.enqueue("os.mkdir", str(tmp_path / "theirs"), result_ttl=0)
    SimpleWorker([queue], connection=services.queue_connection, serializer=JSONSerializer).work(burst=True, max_jobs=1)
    assert queue.job_ids == [later.id]
    server.kill()
    server.start()
    with at_work(services):
        until((tmp_path / "theirs").exists)


def test_what_has_ended_stays_so_where_the_file_was_written_anew_meanwhile(
    on_disk: tuple[Services, Server], tmp_path: Path
) -> None:
    """A snapshot holds what is written nowhere else; so does a replica that joins."""
    services, server = on_disk
    ids = [text(services, f"text {number}.") for number in range(8)]
    running = worker(services)
    running.register_birth()  # type: ignore[no-untyped-call]
    batch = running._protocol.dispatch([], 0.0, free=3, foreign=1, now=services.clock())
    replica = Server(tmp_path / "replica")
    redis, other = server.client(), replica.client()
    try:
        redis.bgrewriteaof()
        until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
        other.execute_command("REPLICAOF", "127.0.0.1", int(server.url.rsplit(":")[-1].split("/")[0]))
        until(lambda: other.info("replication").get("master_link_status") == "up")
        running._protocol.dispatch(batch.claimed, 0.1, free=0, foreign=1, now=services.clock())
        with at_work(services):
            until(lambda: services.inbox.states(ids, "u") == ["done"] * 8)
        until(lambda: redis.info("replication")["slave0"]["lag"] == 0 and not list(other.scan_iter("rq:job:*")))
        server.kill()
        server.start()
        assert not list(redis.scan_iter("rq:job:*"))
        assert StartedJobRegistry(queue=services.jobs.rq).count == 0
    finally:
        replica.kill()


def test_a_drain_that_failed_can_be_put_back_after_a_restart(
    on_disk: tuple[Services, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    services, server = on_disk
    queue = services.jobs.rq

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(type(services.drain), "run", broken)
        message_id = text(services, "hello")
        worker(services).run(burst=True)
    (failed,) = FailedJobRegistry(queue=queue).get_job_ids()
    server.kill()
    server.start()
    assert Job.fetch(failed, services.queue_connection, JSONSerializer).meta == {"uid": name_of("u")}
    FailedJobRegistry(queue=queue).requeue(failed)
    with at_work(services):
        until(lambda: services.inbox.states([message_id], "u") == ["done"])
    assert FailedJobRegistry(queue=queue).count == 0


def test_what_is_left_of_a_job_is_not_run(now: Services, sandbox: SandboxControl) -> None:
    """A server that took over may know a job's state and not what it calls."""
    redis = now.queue_connection
    redis.hset("rq:job:half", mapping={"status": "queued", "last_heartbeat": "x"})
    redis.rpush(now.jobs.rq.key, "half", "gone")
    message_id = text(now, "hello")
    worker(now).run(burst=True)
    assert now.inbox.states([message_id], "u") == ["done"]
    assert now.jobs.length() == 0
    assert not redis.exists("rq:job:half")
    assert FailedJobRegistry(queue=now.jobs.rq).count == 0
