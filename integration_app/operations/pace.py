"""Whether a longer pause would save a user many of Omi's requests: their last week, through the real grouping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from integration_app.bootstrap import Services
from integration_app.model import Installation, PreparedText, Story
from integration_app.operations.messages import lately
from integration_app.pipeline.delivery.user_rules import paced
from integration_app.pipeline.rules import Rules
from integration_app.simulation import run
from integration_app.simulation.trace import Arrival

WEEK = timedelta(days=7)
LOOKED_AT = 200
"""Messages; who sends more in a week has that many in the pattern of it."""
CALLS_MIN = 20
"""Who needs fewer in a week is not asked to wait."""
SHARE_MAX = 0.7
"""What the pause must leave of them to be worth it."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pause of `seconds` would have needed `calls` of the last week instead of `before`."""

    seconds: int
    calls: int
    before: int


def suggestion(services: Services, installation: Installation, paces: Sequence[int]) -> Suggestion | None:
    """The shortest of `paces` that would save much; None where none does, or where the user has chosen already."""
    if installation.preferences.daily or installation.preferences.quiet_seconds is not None:
        return None
    since = services.clock() - WEEK
    found = [row for row in lately(services, installation.uid, limit=LOOKED_AT) if row[0].message.received_at > since]
    return best(found, installation, services.rules, paces)


def best(
    found: Iterable[tuple[Story, PreparedText]], installation: Installation, rules: Rules, paces: Sequence[int]
) -> Suggestion | None:
    rows = [
        Arrival(
            story.message.received_at, installation.uid, story.message.sender, story.message.channel, len(text.text)
        )
        for story, text in found
        if not story.message.hints
    ]
    calls = run.simulate(rows, paced(rules, installation.preferences), run.Quota()).calls
    if calls < CALLS_MIN:
        return None
    for seconds in sorted(paces):
        own = replace(installation.preferences, quiet_seconds=seconds)
        needed = run.simulate(rows, paced(rules, own), run.Quota()).calls
        if needed <= SHARE_MAX * calls:
            return Suggestion(seconds, needed, calls)
    return None
