"""The maintenance loop: heartbeats, replays, imports, retention. Every worker runs it; none is special."""

from __future__ import annotations

import threading

from redis.exceptions import RedisError

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.store.feed import KEPT
from integration_app.store.repair import PUT_ASIDE

log = logs.get(__name__)

TICK_SECONDS = 1.0
BEAT_TICKS = 10
MEND_TICKS = 5
SWEEP_TICKS = 600


class Maintenance:
    def __init__(self, services: Services, name: str, stop: threading.Event) -> None:
        self._services = services
        self._name = name
        self._stop = stop
        self._ticks = 0
        self._telling = threading.Thread()

    def run(self) -> None:
        """Until `stop`. A Redis that is away is waited for."""
        while not self._stop.is_set():
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 - it is tried again
                log.warning("maintenance failed, trying again", error=type(error).__name__)
            self._stop.wait(TICK_SECONDS)
        self._deregister()

    def tick(self) -> None:
        now = self._services.clock()
        if self._ticks % BEAT_TICKS == 0:
            self._services.health.beat(self._name, now=now)
        if self._ticks == 0:
            self._services.migrations.run(now=now)
        if self._ticks % SWEEP_TICKS == 0:
            self._services.retention.sweep(now)
        is_trimmed = self._ticks % SWEEP_TICKS == 0
        if self._services.moving and self._ticks % MEND_TICKS == 0:
            self._services.moving.mend()
            self._services.moving.done()
        self._ticks += 1
        if is_trimmed:
            self._services.feed.trim(before=now - KEPT)
        self._services.replays.step(now)
        self._services.phones.step()
        if not self._telling.is_alive():
            self._telling = threading.Thread(target=self._tell, daemon=True)
            self._telling.start()
        self._services.importing.step()
        self._services.inbox.pack(now=now)
        if self._services.inbox.was_put_aside():
            self._services.health.alarm(PUT_ASIDE, now=now)

    def _tell(self) -> None:
        try:
            self._services.phones.tell()
        except (RedisError, OSError) as error:
            log.warning("users were not told, trying again", error=type(error).__name__)

    def _deregister(self) -> None:
        try:
            self._services.health.silence(self._name)
        except (RedisError, OSError) as error:
            log.warning("could not deregister", error=type(error).__name__)
