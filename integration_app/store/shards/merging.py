"""How the answers of all shards become one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from integration_app.model import AnyEvent, Received, Story
from integration_app.model.webhook_events import Endpoint


def joined(answers: list[Any]) -> list[Any]:
    return list(chain.from_iterable(answers))


def unique(answers: list[Any]) -> list[Any]:
    return sorted(set(joined(answers)))


def added(answers: list[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in answers:
        total.update(counts)
    return dict(sorted(total.items()))


def together(answers: list[Mapping[str, Any]]) -> dict[str, Any]:
    return dict(chain.from_iterable(answer.items() for answer in answers))


def by_slot(answers: list[list[Mapping[str, int]]]) -> list[dict[str, int]]:
    return [added(list(slot)) for slot in zip(*answers, strict=True)]


def earliest(answers: list[Any]) -> Any:
    return min((answer for answer in answers if answer is not None), default=None)


def latest(answers: list[Any]) -> Any:
    return max((answer for answer in answers if answer is not None), default=None)


def one_story(answers: list[Story | None]) -> Story | None:
    """A message for users of several shards is kept in each, for those of that shard."""
    found = [story for story in answers if story is not None]
    if not found:
        return None
    states = dict(sorted(together([story.states for story in found]).items()))
    events: list[AnyEvent] = []
    for event in joined([list(story.events) for story in found]):
        if isinstance(event, Received) and events and isinstance(events[0], Received):
            uids, trust = sorted({*events[0].uids, *event.uids}), {**(events[0].trust or {}), **(event.trust or {})}
            events[0] = replace(events[0], uids=tuple(uids), trust=trust)
        elif event not in events:
            events.append(event)
    return replace(found[0], states=states, events=tuple(sorted(events, key=lambda event: event.at)))


def oldest_parked(answers: list[Any]) -> list[Any]:
    return sorted(joined(answers), key=lambda row: row[1])


def whole_replay(answers: list[Any]) -> Any:
    found = [status for status in answers if status is not None]
    if not found:
        return None
    running = next((status for status in found if status.state == "running"), found[0])
    total, done = sum(status.total for status in found), sum(status.done for status in found)
    return replace(running, total=total, done=done, rate=round(sum(status.rate for status in found), 3))


def known(answers: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each name what any of them says."""
    return {name: next((row[name] for row in answers if row[name] is not None), None) for name in answers[0]}


def one_endpoint(answers: list[Endpoint | None]) -> Endpoint | None:
    """Each shard tells it what happens there: it is on where all do, and what is worst is said."""
    found = [row for row in answers if row is not None]
    if not found:
        return None
    off = [row for row in found if not row.is_on]
    told = max(found, key=lambda row: row.last_at or row.created_at)
    return replace(
        (off or found)[0],
        failing_since=earliest([row.failing_since for row in found]),
        failures=max(row.failures for row in found),
        paused_until=latest([row.paused_until for row in found]),
        last_at=told.last_at,
        last_outcome=told.last_outcome,
    )


def all_endpoints(answers: list[Sequence[Endpoint]]) -> list[Endpoint]:
    by_id: dict[str, list[Endpoint | None]] = {}
    for row in chain.from_iterable(answers):
        by_id.setdefault(row.id, []).append(row)
    return [found for same in by_id.values() if (found := one_endpoint(same))]
