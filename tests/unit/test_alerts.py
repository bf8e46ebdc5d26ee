"""What is told, and when: once for each cause, again while it lasts, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_app.model import QuietHours, Told
from integration_app.operations.alerting.alerts import CALM, News, compare
from integration_app.operations.alerting.problems import Problem

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
PROBLEM = Problem("late", "the oldest is late", "look", patience=timedelta(seconds=30), again=timedelta(hours=1))


class Story:
    """Looks every five seconds."""

    def __init__(self) -> None:
        self.now = START
        self.told: dict[str, Told] = {}
        self.said: list[tuple[int, News]] = []

    def look(self, *problems: Problem, seconds: float, quiet: bool = False) -> Story:
        for _ in range(int(seconds / 5)):
            found = compare(problems, self.told, self.now, quiet=quiet)
            self.told = {key: after for key, (_, after) in found.items() if after}
            minutes = (self.now - START).total_seconds() / 60
            self.said += [(round(minutes), notice.news) for notice, _ in found.values() if notice]
            self.now += timedelta(seconds=5)
        return self


def test_one_message_a_reminder_and_an_all_clear() -> None:
    story = Story().look(PROBLEM, seconds=2 * 3600).look(seconds=600)
    assert story.said == [(0, News.NEW), (60, News.REMINDER), (121, News.CLEARED)]
    assert not story.told


def test_what_passes_by_itself_is_told_to_nobody() -> None:
    assert Story().look(PROBLEM, seconds=25).look(seconds=300).said == []


def test_what_comes_and_goes_is_one_cause() -> None:
    story = Story()
    for _ in range(20):
        story.look(PROBLEM, seconds=40).look(seconds=CALM.total_seconds() - 10)
    assert [news for _, news in story.look(seconds=300).said] == [News.NEW, News.CLEARED]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=30))
def test_each_all_clear_has_its_message_before_it(spans: list[tuple[bool, int]]) -> None:
    story = Story()
    for is_there, looks in spans:
        story.look(*([PROBLEM] if is_there else []), seconds=5 * looks)
    said = [news for _, news in story.look(seconds=120).said if news is not News.REMINDER]
    assert said == [News.NEW, News.CLEARED] * (len(said) // 2)


def test_in_quiet_hours_only_what_stops_messages_is_told_and_the_rest_afterwards() -> None:
    urgent = replace(PROBLEM, key="no worker", urgent=True)
    story = Story().look(PROBLEM, seconds=3600, quiet=True)
    assert story.said == []
    assert story.look(PROBLEM, seconds=60).said == [(60, News.NEW)]
    assert story.look(urgent, seconds=600, quiet=True).said[1:] == [(62, News.NEW)], "no all-clear at night"
    assert [news for _, news in story.look(seconds=120).said[2:]] == [News.CLEARED, News.CLEARED]


def test_what_begins_and_ends_in_quiet_hours_is_never_told() -> None:
    assert Story().look(PROBLEM, seconds=3600, quiet=True).look(seconds=600).said == []


@pytest.mark.parametrize(
    ("text", "hour", "quiet"),
    [("22-7 Europe/Berlin", 20, False), ("22-7 Europe/Berlin", 21, True), ("22-7 Europe/Berlin", 5, True),
     ("22-7 Europe/Berlin", 6, False), ("1-3 UTC", 2, True), ("1-3 UTC", 3, False)],
)  # fmt: skip
def test_quiet_hours_are_of_a_zone_and_may_span_midnight(text: str, hour: int, quiet: bool) -> None:
    assert QuietHours.read(text).hold(datetime(2026, 11, 20, hour, tzinfo=UTC)) is quiet


@pytest.mark.parametrize("text", ["", "22-7", "22-22 UTC", "24-7 UTC", "x-y UTC", "22-7 Nowhere/Town"])
def test_what_is_no_quiet_hours(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        QuietHours.read(text)
