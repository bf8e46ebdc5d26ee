"""Random histories: whatever happens in whatever order, nothing is lost, nothing doubled, order and quota are kept.

A state machine of Hypothesis drives the real pipeline over the real Valkey and the real sandbox; both clocks are in
its hand, so days pass in milliseconds. A crash is an exception that nobody catches, at any Redis command or call.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import redis
import redis.connection
import urllib3.connectionpool
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.local.stack import Stack
from integration_app.model import DeliveryState, Settled
from integration_app.store import keys
from integration_app.store.identity import Identity
from tests.conftest import Clock
from tests.integration.helpers import let_settle, link, ready, text
from tests.sandbox_control import SandboxControl

UIDS = ("u", "v")
FAULTS = (
    "rate_limited", "rate_limited_object", "error_before", "error_after", "unavailable", "timeout_after",
    "drop_before", "drop_after",
)  # fmt: skip
ROUTES = ("create_conversation", "create_memories", "read_conversations")


class PowerCut(BaseException):
    """Ends a drain in the middle, as SIGKILL ends a process: nothing below may catch it."""


class Histories(RuleBasedStateMachine):
    """Subclassed with the backing processes and the environment filled in."""

    backing: Stack
    _numbers = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.services: Services = bootstrap.build(clock=self.clock)
        self.redis: Any = self.services.due._redis
        self.redis.flushall()
        Identity(self.redis).init(now=datetime.now(UTC))
        env = self.backing.env
        self.sandbox = SandboxControl(self.backing.sandbox_url, env["OMI_APP_ID"], env["OMI_API_KEY"])
        self.sandbox.reset()
        self.sandbox.boost(2)
        self.sandbox.enable(*UIDS)
        link(self.services, *UIDS)
        self.accepted: dict[str, str] = {}  # words → message id
        self.forgotten: set[str] = set()  # accepted, and lost with what Redis forgot
        self.copy: tuple[dict[Any, tuple[Any, int]], dict[str, str]] | None = None
        self.raw: Any = redis.Redis.from_url(env["REDIS_URL"])
        self.jumped = False

    # --- what can happen ------------------------------------------------------------------------------------

    @rule(memory=st.booleans())
    def a_text_arrives(self, memory: bool) -> None:
        words = f"word{next(self._numbers)}"
        self.accepted[words] = text(self.services, f"remember: {words}" if memory else words)

    @precondition(lambda self: self.accepted)
    @rule()
    def it_is_delivered_twice(self) -> None:
        from tests.unit.factories import message

        words = next(reversed(self.accepted))
        story = self.services.inbox.story(self.accepted[words])
        if story:
            again = message("not this", dedupe_keys=story.message.dedupe_keys, sender=story.message.sender)
            assert self.services.intake.accept(again).message_id == self.accepted[words]

    @rule(
        fault=st.sampled_from(FAULTS),
        route=st.sampled_from(ROUTES),
        uid=st.sampled_from((*UIDS, None)),
        times=st.integers(1, 3),
        retry_after=st.sampled_from((None, 1, 30, 600)),
    )
    def omi_will_fail(self, fault: str, route: str, uid: str | None, times: int, retry_after: int | None) -> None:
        self.sandbox.fault(fault, route=route, uid=uid, times=times, retry_after=retry_after)

    @rule(fault=st.sampled_from(FAULTS), memory=st.booleans(), more=st.integers(0, 3))
    def a_text_meets_trouble(self, fault: str, memory: bool, more: int) -> None:
        """The same as the rules above in a row that matters, so that it happens often."""
        self.sandbox.fault(fault, route="create_memories" if memory else "create_conversation", times=2)
        self.a_text_arrives(memory)
        self._pass(21)
        self._work()
        for _ in range(more):
            self.a_text_arrives(memory)

    @rule(step=st.integers(0, 25), texts=st.integers(1, 3))
    def a_worker_is_killed_at_work(self, step: int, texts: int) -> None:
        for _ in range(texts):
            self.a_text_arrives(False)
        self._pass(21)
        self.a_worker_is_killed(step)

    @rule(uid=st.sampled_from(UIDS))
    def a_user_disables_the_app(self, uid: str) -> None:
        self.sandbox.disable(uid)

    @rule(uid=st.sampled_from(UIDS))
    def a_user_enables_the_app(self, uid: str) -> None:
        self.sandbox.enable(uid)

    @rule()
    def our_key_is_revoked(self) -> None:
        self.sandbox.app(api_keys=["sk_another"])

    @rule()
    def our_key_is_mended(self) -> None:
        self.sandbox.app(api_keys=[self.sandbox.api_key])

    @rule(seconds=st.sampled_from((1, 21, 200, 4000)))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    @rule(hours=st.sampled_from((-1, 1)))
    def our_clock_jumps(self, hours: int) -> None:
        self.clock.pass_time(hours=hours)  # ours alone: Omi's goes on as it was
        self.jumped = True

    @rule(seconds=st.sampled_from((0, 1, 21, 160)))
    def workers_look(self, seconds: int) -> None:
        self._pass(seconds)
        self._work()

    @rule(step=st.integers(0, 25))
    def a_worker_is_killed(self, step: int) -> None:
        with _power_cut(step) as cut:
            try:
                self._work()
            except PowerCut:
                pass
            finally:
                cut.end()
        # leases and probes run out by Redis's own clock, which we cannot move
        self.redis.delete(keys.PROBING, *(keys.lease(uid) for uid in UIDS))

    @rule()
    def parked_ones_are_sent_again(self) -> None:
        for delivery, _ in self.services.dead_letters.list():
            self.services.replays.one(delivery.id, by="test")

    @rule()
    def a_copy_of_redis_is_made(self) -> None:
        self._copy_redis()

    @precondition(lambda self: self.copy is not None)
    @rule()
    def redis_forgets_what_came_after_the_copy(self) -> None:
        """A power cut, a failover, a restore: deliveries are forgotten that Omi has, and texts that were accepted."""
        assert self.copy is not None
        dump, accepted = self.copy
        self.raw.flushall()
        for key, (value, ttl) in dump.items():
            self.raw.restore(key, ttl, value)
        self.forgotten |= self.accepted.keys() - accepted
        for words in self.accepted.keys() - accepted:
            del self.accepted[words]
        self.redis.delete(keys.PROBING, *(keys.lease(uid) for uid in UIDS))
        self.redis.hset(keys.STORE, "server", f"another {next(self._numbers)}")
        for client in (self.redis, self.services.queue_connection):
            client.connection_pool.disconnect()  # the next connection meets another server
        self.services = bootstrap.build(clock=self.clock)

    def _copy_redis(self) -> None:
        dump = {key: (self.raw.dump(key), max(0, self.raw.pttl(key))) for key in self.raw.scan_iter("*")}
        self.copy = (dump, dict(self.accepted))

    # --- what must hold at the end --------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self._everything_is_mended_and_runs_to_rest()
            self._nothing_is_lost_or_doubled()
            self._order_is_kept()
        finally:
            self.services.omi.close()
            self.services.queue_connection.close()
            self.redis.close()
            self.raw.close()

    def _everything_is_mended_and_runs_to_rest(self) -> None:
        # what was to fail still fails: faults are counted, so that they end
        self.sandbox.app(api_keys=[self.sandbox.api_key])
        self.sandbox.enable(*UIDS)
        for _ in range(400):
            at = self.services.due.oldest()
            if at is None:
                return
            let_settle(self.services, self.clock)
            wait = (at - self.clock()).total_seconds()
            self._pass(max(0.0, wait) + 0.002)
            self._work()
        waits = {uid: (self.services.due.at(uid), self.services.estimates.of(uid)) for uid in UIDS}
        raise AssertionError(f"it never came to rest at {self.clock()}: {waits}")

    def _nothing_is_lost_or_doubled(self) -> None:
        for uid in UIDS:
            held = "\n".join([*self.sandbox.texts(uid), *(row["content"] for row in self.sandbox.memories(uid))])
            found = held.replace("Me: ", "").split()
            twice = [words for words in (*self.accepted, *self.forgotten) if found.count(words) > 1]
            assert not twice, f"{twice} are held more than once for {uid}"
            for words, message_id in self.accepted.items():
                story = self.services.inbox.story(message_id)
                assert story is not None, "nothing here is older than its retention"
                state, times = story.states[uid], found.count(words)
                if state == "done":
                    assert times == 1, f"{words} is done for {uid} and held {times} times"
                elif state == "parked":
                    reasons = [
                        event.reason
                        for event in story.events
                        if isinstance(event, Settled) and event.state is DeliveryState.PARKED
                    ]
                    unknown = any("outcome unknown" in reason for reason in reasons)
                    assert times <= 1, f"{words} is parked for {uid} and held {times} times"
                    assert times == 0 or unknown, f"{words} is held, and the ledger does not say that it may be"
                else:
                    assert state == "dropped", f"{words} is {state} for {uid} at rest"
                    assert times == 0, f"{words} was dropped for {uid} and is held"

    def _order_is_kept(self) -> None:
        """Texts of one sender reach Omi in the order in which they arrived."""
        order = {words: number for number, words in enumerate(self.accepted)}
        for uid in UIDS:
            stored = [row["external_data"]["text"] for row in self.sandbox.conversations(uid)]
            words = [word for text_ in stored for word in text_.replace("Me: ", "").split()]
            numbers = [order[word] for word in words if word in order]
            assert numbers == sorted(numbers), f"{uid} got {numbers}"

    # --- driving --------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        self.clock.pass_time(seconds=seconds)
        self.sandbox.advance(seconds)

    def _work(self) -> None:
        if not self.jumped:
            let_settle(self.services, self.clock)
        for uid in ready(self.services):
            self.services.drain.run(uid)


class _power_cut:  # noqa: N801 - reads as what it is
    """Raises `PowerCut` at the n-th Redis command or HTTP call, before or after it."""

    def __init__(self, step: int) -> None:
        self._left = step
        self._restore: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> _power_cut:
        for owner, name in (
            (redis.connection.AbstractConnection, "send_packed_command"),
            (urllib3.connectionpool.HTTPConnectionPool, "urlopen"),
        ):
            real = getattr(owner, name)
            self._restore.append((owner, name, real))

            def stepped(this: Any, *args: Any, _real: Any = real, **kwargs: Any) -> Any:
                self._left -= 1
                if self._left == 0:
                    if isinstance(this, redis.connection.AbstractConnection):
                        this.disconnect()
                    raise PowerCut
                return _real(this, *args, **kwargs)

            setattr(owner, name, stepped)
        return self

    def end(self) -> None:
        while self._restore:
            owner, name, real = self._restore.pop()
            setattr(owner, name, real)

    def __exit__(self, *_: object) -> None:
        self.end()
