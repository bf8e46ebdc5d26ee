"""The pump: what is due and not leased becomes an RQ job. Every worker process runs one; none is special."""

from __future__ import annotations

import threading

from redis.exceptions import RedisError

from integration_app import logs
from integration_app.bootstrap import Services

log = logs.get(__name__)

TICK_SECONDS = 0.2
REPEAT_MS = 5_000
"""When an unheeded hint is given again: RQ lost the job, or the fleet is behind."""
AHEAD = 200
"""Jobs that may wait in RQ. What is due beyond that waits in the due set, where it cannot get lost."""
BEAT_SECONDS = 10
SWEEP_SECONDS = 600
OUTAGE_PAUSE_SECONDS = 1.0


class Pump:
    def __init__(self, services: Services, name: str, stop: threading.Event) -> None:
        self._services = services
        self._name = name
        self._stop = stop
        self._beats = 0

    def run(self) -> None:
        """Until `stop`: promote, and show a sign of life. A Redis that is away is waited for."""
        while not self._stop.is_set():
            try:
                self.tick()
                pause = TICK_SECONDS
            except Exception as error:  # noqa: BLE001 - a dead pump would strand what is due
                log.warning("the pump tries again", error=type(error).__name__)
                pause = OUTAGE_PAUSE_SECONDS
            self._stop.wait(pause)
        self._goodbye()

    def tick(self) -> int:
        """Turn what is due into jobs. Returns how many."""
        now = self._services.clock()
        if self._beats % int(BEAT_SECONDS / TICK_SECONDS) == 0:
            self._services.health.beat(self._name, now=now)
        if self._beats % int(SWEEP_SECONDS / TICK_SECONDS) == 0:
            self._services.forget.sweep(now)
        self._beats += 1
        self._services.replays.step(now)
        room = AHEAD - self._services.jobs.length()
        if room <= 0:
            return 0
        uids = self._services.due.promote(now=now, repeat_ms=REPEAT_MS, limit=room)
        self._services.jobs.enqueue_drains(uids)
        return len(uids)

    def _goodbye(self) -> None:
        try:
            self._services.health.silence(self._name)
        except (RedisError, OSError) as error:
            log.warning("left without a goodbye", error=type(error).__name__)
