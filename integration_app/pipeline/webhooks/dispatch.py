"""Tell one endpoint what is new, and what it did not take before: the work of one job.

Runs under a lease, as a drain does. If the worker dies, the lease runs out and the next one goes on: an event may then
come twice, with the same id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from integration_app import logs
from integration_app.model import Clock, Settled
from integration_app.model.webhook_events import Endpoint, EndpointTry, EventType, FeedEvent
from integration_app.pipeline.webhooks.safe_http import Answered, Network, Post, Refused, post
from integration_app.pipeline.webhooks.schedule import again_at, is_given_up, rest
from integration_app.standard_webhooks import sign
from integration_app.store.endpoints import EndpointLease, Endpoints
from integration_app.store.feed import Feed
from integration_app.store.inbox import Inbox

log = logs.get(__name__)

_AT_ONCE = 50
_SECONDS = 40.0
"""Of one job; the rest in the next."""
_GONE = 410


class Dispatch:
    def __init__(
        self,
        *,
        endpoints: Endpoints,
        feed: Feed,
        inbox: Inbox,
        allowed: Sequence[Network],
        clock: Clock,
        chance: Callable[[], float],
        send: Post = post,
    ) -> None:
        self._endpoints = endpoints
        self._feed = feed
        self._inbox = inbox
        self._allowed = allowed
        self._clock = clock
        self._chance = chance
        self._send = send

    def run(self, endpoint_id: str) -> None:
        """Does nothing while another worker is at it. After a crash the lease runs out, and it goes on then."""
        lease = self._endpoints.claim(endpoint_id, now=self._clock())
        if lease is not None:
            self._tell(lease)
            self._endpoints.release(lease, now=self._clock())

    def _tell(self, lease: EndpointLease) -> None:
        """What is to be tried again, and what is new, until nothing is left, it needs a rest, or time is up."""
        ends = time.monotonic() + _SECONDS
        worked = True
        while worked and time.monotonic() < ends:
            worked = False
            for place, event, tries, is_new in self._next(lease.endpoint):
                endpoint = self._endpoints.get(lease.endpoint)
                if endpoint is None or not endpoint.is_on or self._rests(endpoint) or time.monotonic() > ends:
                    return
                worked = True
                if event is not None and (endpoint.wants(event.type) or not is_new):
                    if not self._endpoints.renew(lease, now=self._clock()):
                        return
                    self._try(endpoint, place, event, tries)
                elif not is_new:
                    self._forget(endpoint, place)
                if is_new:  # what it did not take is put aside: the cursor goes on
                    self._endpoints.move(lease.endpoint, place)

    def _rests(self, endpoint: Endpoint) -> bool:
        return endpoint.paused_until is not None and endpoint.paused_until > self._clock()

    def _next(self, endpoint: str) -> Iterator[tuple[str, FeedEvent | None, int, bool]]:
        """What is to be tried again, then what is new: its place, how often it was tried, and whether it is new."""
        for place, tries in self._endpoints.again(endpoint, now=self._clock(), limit=_AT_ONCE):
            yield place, self._feed.event(endpoint, place), tries, False
        for place, event in self._feed.new(endpoint, self._endpoints.cursor(endpoint), _AT_ONCE):
            yield place, event, 0, True

    def _forget(self, endpoint: Endpoint, place: str) -> None:
        """The feed does not hold it any more."""
        self._endpoints.done(endpoint.id, place)
        log.warning("an event was not told in time, and is not kept any more", endpoint=endpoint.id, place=place)

    def _try(self, endpoint: Endpoint, place: str, event: FeedEvent, tries: int) -> None:
        began = time.monotonic()
        answered: Answered | None = None
        try:
            answered = self._send(endpoint.url, *self._signed(endpoint, event), self._allowed)
            outcome = str(answered.status)
        except Refused as refused:
            outcome = str(refused)
        except OSError as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001 - one event must not hold up the others
            outcome = f"a crash of ours: {logs.crash('webhook', error)}"
        now, status = self._clock(), answered.status if answered else None
        is_taken = status is not None and 200 <= status < 300
        asked = answered.retry_after if answered else ""
        paused = None if is_taken else rest(endpoint.failures + 1, status, asked, now)
        took = answered.seconds if answered else round(time.monotonic() - began, 3)
        self._endpoints.tried(
            endpoint.id, EndpointTry(event.id, event.type.value, now, outcome, took, is_taken), paused
        )
        if is_taken:
            self._endpoints.done(endpoint.id, place)
            return
        log.warning("an endpoint did not take an event", endpoint=endpoint.id, outcome=outcome)
        self._endpoints.put_aside(endpoint.id, place, tries + 1, again_at(tries + 1, asked, now, self._chance()))
        self._switch_off(endpoint.id, status)

    def _switch_off(self, endpoint_id: str, status: int | None) -> None:
        found = self._endpoints.get(endpoint_id)
        if status == _GONE:
            self._endpoints.switch(endpoint_id, is_on=False, why="it answered 410: it is gone")
        elif found is not None and is_given_up(found, self._clock()):
            self._endpoints.switch(endpoint_id, is_on=False, why="nothing has got through for five days")

    def _signed(self, endpoint: Endpoint, event: FeedEvent) -> tuple[bytes, dict[str, str]]:
        now = self._clock()
        body = json.dumps({"type": event.type, "timestamp": event.at.isoformat(), "data": self._data(event)}).encode()
        stamp = int(now.timestamp())
        secrets = self._endpoints.secrets_of(endpoint.id, now=now)
        return body, {
            "Content-Type": "application/json",
            "User-Agent": "omi-inbox",
            "webhook-id": event.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(sign(secret, event.id, stamp, body) for secret in secrets),
        }

    def _data(self, event: FeedEvent) -> dict[str, Any]:
        """No word of a message, and no sender."""
        data = dict(event.data or {}) | ({"uid": event.uid} if event.uid else {})
        story = self._inbox.story(event.message) if event.message else None
        if event.message:
            data["message"] = event.message
        if story is None:
            return data
        data |= {"provider": story.message.provider, "channel": story.message.channel}
        if event.type is EventType.MESSAGE_PARKED:
            ended = [row for row in story.events if isinstance(row, Settled) and row.uid == event.uid]
            data |= {"cause": ended[-1].cause, "reason": ended[-1].reason} if ended else {}
        return data
