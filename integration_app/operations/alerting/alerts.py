"""Alerts that leave the process: one message for each cause, a reminder while it lasts, an all-clear.

`compare` decides, from what is wrong and what was told. `Alerts` runs it every few seconds, in one process at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import requests
from redis.exceptions import RedisError

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.model import QuietHours, Told
from integration_app.model.webhook_events import EventType
from integration_app.operations.alerting.channels import Channel, Undelivered
from integration_app.operations.alerting.problems import Problem, standing, to_look_at

log = logs.get(__name__)

TICK = timedelta(seconds=5)
CALM = timedelta(minutes=1)
"""So long a cause has to be gone before it counts as gone."""
TURN = timedelta(minutes=2)
"""The longest that a turn lasts: channels may be slow, and a host that took over meanwhile would tell it twice."""
HEARTBEAT = timedelta(minutes=1)
PAUSE = timedelta(seconds=30)
"""Between two tries, when no channel takes it."""
_AWAY = Problem(
    "redis away",
    "Redis does not answer: every message is refused",
    "omi-inbox doctor",
    timedelta(seconds=20),
    urgent=True,
)


class News(StrEnum):
    NEW = "new"
    REMINDER = "reminder"
    CLEARED = "cleared"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told; `since` is when the cause was first seen."""

    news: News
    problem: Problem
    since: datetime

    def sentence(self) -> str:
        if self.news is News.CLEARED:
            return f"Over: {self.problem.what} (since {self.since:%Y-%m-%d %H:%M} UTC)"
        still = f"Still, since {self.since:%Y-%m-%d %H:%M} UTC: " if self.news is News.REMINDER else ""
        return f"{still}{self.problem.words}"


def compare(
    problems: Iterable[Problem], told: Mapping[str, Told], now: datetime, *, quiet: bool = False
) -> Mapping[str, tuple[Notice | None, Told | None]]:
    """For each cause: what is to be told now, and what is to be remembered once it was. `quiet`: only what is urgent;
    the rest, all-clears too, waits until it is not.
    """
    there = {problem.key: problem for problem in problems}
    found: dict[str, tuple[Notice | None, Told | None]] = {}
    for key, problem in there.items():
        before = told.get(key)
        since, at = (before.since, before.at) if before else (now, None)
        is_due = now - at >= problem.again if at else now - since >= problem.patience
        is_due = is_due and (problem.urgent or not quiet)
        notice = Notice(News.REMINDER if at else News.NEW, problem, since) if is_due else None
        found[key] = notice, Told(since=since, seen=now, at=now if is_due else at, what=problem.what)
    for key in told.keys() - there.keys():
        before = told[key]
        if now - before.seen < CALM or (quiet and before.at):
            found[key] = None, before
        else:
            notice = Notice(News.CLEARED, Problem(key, before.what), before.since) if before.at else None
            found[key] = notice, None
    return found


class Alerts:
    def __init__(self, services: Services, channels: Sequence[Channel]) -> None:
        self._services = services
        self._channels = channels
        self._away: dict[str, Told] = {}
        """What was told about Redis itself: it cannot be kept there."""
        self._endpoints_told: set[tuple[News, str, datetime]] = set()
        """Of what no channel has taken yet, and is sent again; by when the cause began, for it may come back."""
        self._paused_until = services.clock()

    def tick(self) -> None:
        """Once every `TICK`, from as many processes as there are: one of them has the turn."""
        found = self._services
        try:
            found.identity.is_ours()
        except (RedisError, OSError):
            self._away = self._tell([_AWAY], self._away)
            return
        self._away = self._tell([], self._away)
        if not self._has_listeners() or not found.alerting.turn("alerts", TURN):
            return
        try:
            self._look()
        finally:
            found.alerting.end_turn("alerts", TICK)

    def _look(self) -> None:
        found = self._services
        stands = standing(found)
        told = found.alerting.told()
        found.alerting.write(self._tell([*stands.problems, *to_look_at(found)], told), before=told)
        if found.settings.heartbeat_url and stands.takes_messages and stands.workers:
            self._beat(found.settings.heartbeat_url)

    def test(self) -> list[str]:
        """Send a test through each channel. What went wrong, as sentences."""
        notice = Notice(News.TEST, Problem("test", "This is a test: alerts of Omi Inbox arrive here"), self._now())
        return [sentence for channel in self._channels if (sentence := _failed(channel, notice))]

    def _tell(self, problems: Iterable[Problem], told: Mapping[str, Told]) -> dict[str, Told]:
        after: dict[str, Told] = {}
        for key, (notice, remembered) in compare(problems, told, self._now(), quiet=self._is_quiet()).items():
            if notice and not self._send(notice):
                remembered = told.get(key) or (remembered and remembered.untold())
            if remembered:
                after[key] = remembered
        return after

    def _send(self, notice: Notice) -> bool:
        """Whether one channel took it at least; else it is tried again after a pause."""
        if self._now() < self._paused_until:
            return False
        mark = (notice.news, notice.problem.key, notice.since.replace(microsecond=0))  # Redis keeps milliseconds
        if mark not in self._endpoints_told and self._tell_endpoints(notice):
            self._endpoints_told.add(mark)
        failed = [sentence for channel in self._channels if (sentence := _failed(channel, notice))]
        for sentence in failed:
            log.error("an alert could not be sent", reason=sentence)
        if len(failed) < len(self._channels) or not self._channels:
            self._endpoints_told.discard(mark)
            return True
        self._paused_until = self._now() + PAUSE
        return False

    def _has_listeners(self) -> bool:
        return bool(self._channels or self._services.settings.heartbeat_url or self._services.endpoints.any())

    def _tell_endpoints(self, notice: Notice) -> bool:
        """Whether it was written down for them."""
        told = {"news": notice.news.value, "key": notice.problem.key, "text": notice.sentence()}
        try:
            self._services.feed.tell(EventType.ALERT, None, told | {"since": notice.since.isoformat()}, now=self._now())
        except (RedisError, OSError):
            log.warning("endpoints are not told: Redis is away")
            return False
        return True

    def _beat(self, url: str) -> None:
        if not self._services.alerting.turn("heartbeat", HEARTBEAT):
            return
        try:
            requests.get(url, timeout=10)
        except requests.RequestException as error:
            log.warning("the heartbeat did not arrive", error=type(error).__name__)

    def _is_quiet(self) -> bool:
        hours = self._services.settings.alert_quiet_hours
        return bool(hours) and QuietHours.read(str(hours)).hold(self._now())

    def _now(self) -> datetime:
        return self._services.clock()


def _failed(channel: Channel, notice: Notice) -> str:
    try:
        channel.send(notice.news.value, notice.sentence(), notice.problem.key, notice.since)
    except Undelivered as error:
        return f"{channel.name}: {error}"
    return ""
