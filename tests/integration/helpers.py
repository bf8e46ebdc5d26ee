"""Puts messages in and runs drains, as web and workers do, without either."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

from integration_app.bootstrap import Services
from integration_app.model import InboundMessage, Reason, Retry
from integration_app.store import keys, packed
from integration_app.store.accounts import uid_of
from tests.conftest import Clock
from tests.unit.factories import message

PHONE = "+15550001111"
_numbers = itertools.count(1)


def link(services: Services, *uids: str, phone: str = PHONE) -> None:
    for uid in uids:
        services.installations.add(uid, now=services.clock())
        services.installations.link_phone(uid, phone)


def text(services: Services, words: str, **more: object) -> str:
    """One text arrives now. Returns the message's id."""
    number = next(_numbers)
    arrived: InboundMessage = message(words, sender=PHONE, event_id=f"SM{number}", dedupe_keys=(f"k{number}",))
    return services.intake.accept(replace(arrived, received_at=services.clock(), **more)).message_id  # type: ignore[arg-type]


def run_due(services: Services, clock: Clock) -> int:
    """Drain what is due at this moment, or hinted at. Returns how many outboxes that were."""
    let_settle(services, clock)
    uids = ready(services)
    for uid in uids:
        services.drain.run(uid)
    return len(uids)


def ready(services: Services) -> list[str]:
    """The uids for which there is a job or whose time has come, as a worker takes them."""
    hinted = [uid_of(str(job.meta["uid"])) for job in services.jobs.rq.jobs]
    services.jobs.rq.empty()
    return list(dict.fromkeys([*hinted, *services.due.promote(now=services.clock(), repeat_ms=15_000, limit=100)]))


def let_settle(services: Services, clock: Clock) -> None:
    """The settling pause runs by Redis's own clock, which stands still here: end those whose time has come."""
    redis = services.due._redis
    for key in list(redis.scan_iter(keys.settling("*"))):
        until = redis.get(key)
        if until and clock() >= datetime.fromisoformat(str(until)):
            redis.delete(key)


def run_to_rest(services: Services, clock: Clock, *, within: timedelta = timedelta(days=2)) -> None:
    """Jump from one due time to the next until nothing is due any more."""
    end = clock() + within
    while (at := services.due.oldest()) is not None:
        if at > end:
            return
        clock.now = max(clock.now, at + timedelta(milliseconds=1))
        run_due(services, clock)


def pack(services: Services, clock: Clock) -> int:
    """As workers do once a second, until there is nothing more."""
    done = 0
    for part in services.parts or [services]:
        redis = part.inbox._redis
        for _ in range(20):
            redis.delete(keys.turn(packed.KIND), *redis.scan_iter(keys.unpacked("*")))  # time that has passed
            done += part.inbox.pack(now=clock())
    return done


def refusal(until: datetime, detail: str) -> Retry:
    """A decision that closes a gate."""
    return Retry(until, Reason.OTHER, detail=detail)


def state(services: Services, message_id: str, uid: str) -> str:
    story = services.inbox.story(message_id)
    assert story is not None
    return story.states[uid]
