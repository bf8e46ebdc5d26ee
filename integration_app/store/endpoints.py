"""Operators' endpoints, and the feed of events that each of them reads at its own pace.

An endpoint has a cursor in the feed; what it did not take is put aside with its next time, so that one event does not
hold up the others.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.errors import StoreUnfit
from integration_app.model.webhook_events import Endpoint, EndpointTry, EventType
from integration_app.store import codec, keys
from integration_app.store.feed import Feed, texts
from integration_app.store.scripts import load
from integration_app.store.vault import current

KIND = "endpoint"
"""What its URL and secrets are sealed as."""
OLD_SECRET = timedelta(hours=24)
ENDPOINTS_MAX = 20
GIVEN_UP_MAX = 1000
"""So many events that an endpoint was not told are kept for it when it is switched off."""
_LEASE_MS = 60_000
_LOG_MAX = 50


@dataclass(frozen=True, slots=True)
class EndpointLease:
    endpoint: str
    token: str


class Endpoints:
    def __init__(self, redis: Redis, feed: Feed) -> None:
        self._redis = redis
        self._feed = feed
        self._claim = load(redis, "endpoint_claim")
        self._release = load(redis, "endpoint_release")

    # --- endpoints ----------------------------------------------------------------------------------------------

    def add(
        self, url: str, events: Sequence[EventType], *, now: datetime, made: str = "", secret: str = ""
    ) -> tuple[Endpoint, str]:
        """An endpoint that is told what happens from now on; with its secret, which is shown this once. `made` and
        `secret`: those that it has in another shard. Raises ValueError where there are too many.
        """
        if self._redis.scard(keys.ENDPOINTS) >= ENDPOINTS_MAX:
            raise ValueError(f"there are {ENDPOINTS_MAX} endpoints already")
        made, secret = made or f"ep{secrets.token_hex(6)}", secret or _secret()
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(
            keys.endpoint(made),
            mapping={
                "url": current().seal(KIND, url),
                "secrets": current().seal(KIND, secret),
                "events": " ".join(events),
                "is_on": 1,
                "created_ms": codec.ms(now),
                "cursor": self._feed.last(),
            },
        )
        pipe.sadd(keys.ENDPOINTS, made)
        pipe.execute()
        found = self.get(made)
        assert found is not None  # noqa: S101 - it has just been written
        return found, secret

    def spread(self, *, now: datetime) -> None:
        """Told by one Redis alone, there is nowhere to spread them to."""

    def is_there(self, endpoint: str) -> bool:
        return bool(self._redis.sismember(keys.ENDPOINTS, endpoint))

    def get(self, endpoint: str) -> Endpoint | None:
        row = texts(self._redis.hgetall(keys.endpoint(endpoint)))
        return _endpoint(endpoint, row) if row.get("url") else None

    def all(self) -> Sequence[Endpoint]:
        found = (self.get(str(name)) for name in sorted(map(str, self._redis.smembers(keys.ENDPOINTS))))
        return sorted((row for row in found if row), key=lambda row: row.created_at)

    def any(self) -> bool:
        return bool(self._redis.exists(keys.ENDPOINTS))

    def remove(self, endpoint: str) -> bool:
        pipe = self._redis.pipeline(transaction=True)
        pipe.srem(keys.ENDPOINTS, endpoint)
        pipe.zrem(keys.DUE_ENDPOINTS, endpoint)
        pipe.delete(*(key(endpoint) for key in (keys.endpoint, *_PARTS)))
        return bool(pipe.execute()[0])

    def rotate(self, endpoint: str, *, now: datetime, secret: str = "") -> str:
        """A new secret, shown this once; the one before signs too for a day."""
        secret = secret or _secret()
        before = self._secrets(endpoint)[:1]
        sealed = current().seal(KIND, " ".join([secret, *before]))
        self._redis.hset(keys.endpoint(endpoint), items=["secrets", sealed, "rotated_ms", codec.ms(now)])
        return secret

    def _give_up(self, found: Endpoint) -> None:
        """All that waits for it."""
        endpoint = found.id
        places = list(map(str, self._redis.zrange(keys.endpoint_again(endpoint), 0, -1)))
        new = self._feed.new(endpoint, self.cursor(endpoint), GIVEN_UP_MAX)
        places += [place for place, event in new if event and found.wants(event.type)]
        pipe = self._redis.pipeline(transaction=True)
        if places:
            pipe.zadd(keys.endpoint_failed(endpoint), {place: int(place.partition("-")[0]) for place in places})
        pipe.delete(keys.endpoint_again(endpoint), keys.endpoint_tries(endpoint))
        pipe.execute()

    def secrets_of(self, endpoint: str, *, now: datetime) -> Sequence[str]:
        """Those that sign now, the newest first."""
        rotated = self._redis.hget(keys.endpoint(endpoint), "rotated_ms")
        is_over = not rotated or now - codec.from_ms(str(rotated)) > OLD_SECRET
        return self._secrets(endpoint)[: 1 if is_over else 2]

    def _secrets(self, endpoint: str) -> list[str]:
        raw = self._redis.hget(keys.endpoint(endpoint), "secrets")
        return current().open(KIND, str(raw)).split() if raw else []

    def switch(self, endpoint: str, *, is_on: bool, why: str = "") -> None:
        """Off: what it was not told yet is given up, to be resent by hand; what happens meanwhile is not told later."""
        key, found = keys.endpoint(endpoint), self.get(endpoint)
        if found is None or found.is_on == is_on:
            return
        if not is_on:
            self._give_up(found)
        self.move(endpoint, self._feed.last())
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(key, mapping={"is_on": int(is_on), "why": why[:200], "failures": 0})
        pipe.hdel(key, "failing_ms", "paused_ms")
        if is_on:
            pipe.zadd(keys.DUE_ENDPOINTS, {endpoint: 0})
        pipe.execute()

    def cursor(self, endpoint: str) -> str:
        return str(self._redis.hget(keys.endpoint(endpoint), "cursor") or "0-0")

    def move(self, endpoint: str, place: str) -> None:
        self._redis.hset(keys.endpoint(endpoint), "cursor", place)

    # --- telling one endpoint -----------------------------------------------------------------------------------

    def claim(self, endpoint: str, *, now: datetime) -> EndpointLease | None:
        """None while another worker holds it."""
        lease = EndpointLease(endpoint, secrets.token_hex(8))
        return lease if self._take(lease, is_kept=False, now=now) else None

    def renew(self, lease: EndpointLease, *, now: datetime) -> bool:
        """Keep it for as long again. False where it was lost, or the endpoint is gone."""
        return self._take(lease, is_kept=True, now=now)

    def _take(self, lease: EndpointLease, *, is_kept: bool, now: datetime) -> bool:
        return bool(
            self._claim(
                lease=keys.endpoint_lease(lease.endpoint),
                endpoint_hash=keys.endpoint(lease.endpoint),
                endpoint=lease.endpoint,
                token=lease.token,
                now_ms=codec.ms(now),
                lease_ms=_LEASE_MS,
                is_kept=int(is_kept),
            )
        )

    def release(self, lease: EndpointLease, *, now: datetime) -> None:
        """Due again when there is something to tell."""
        self._release(
            lease=keys.endpoint_lease(lease.endpoint),
            endpoint_hash=keys.endpoint(lease.endpoint),
            again=keys.endpoint_again(lease.endpoint),
            endpoint=lease.endpoint,
            token=lease.token,
            now_ms=codec.ms(now),
        )
        if not self.is_there(lease.endpoint):  # removed meanwhile: what was noted since goes too
            self.remove(lease.endpoint)

    def again(self, endpoint: str, *, now: datetime, limit: int) -> Sequence[tuple[str, int]]:
        """The places of what is to be tried again by now, with how often it was tried."""
        places = list(
            map(str, self._redis.zrangebyscore(keys.endpoint_again(endpoint), "-inf", codec.ms(now), 0, limit))
        )
        tries = self._redis.hmget(keys.endpoint_tries(endpoint), places) if places else []
        return [(place, int(count or 0)) for place, count in zip(places, tries, strict=True)]

    def put_aside(self, endpoint: str, place: str, tries: int, again_at: datetime | None) -> None:
        """To be tried again then; None: no more, but by hand."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(keys.endpoint_again(endpoint), place)
        pipe.hdel(keys.endpoint_tries(endpoint), place)
        if again_at:
            pipe.zadd(keys.endpoint_again(endpoint), {place: codec.ms(again_at)})
            pipe.hset(keys.endpoint_tries(endpoint), place, tries)
        else:
            pipe.zadd(keys.endpoint_failed(endpoint), {place: int(place.partition("-")[0])})
        pipe.execute()

    def done(self, endpoint: str, place: str) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(keys.endpoint_again(endpoint), place)
        pipe.hdel(keys.endpoint_tries(endpoint), place)
        pipe.zrem(keys.endpoint_failed(endpoint), place)
        pipe.execute()

    def tried(self, endpoint: str, one: EndpointTry, paused_until: datetime | None) -> None:
        """Note a try; what it says of the endpoint."""
        key, row = (
            keys.endpoint(endpoint),
            [one.event, one.type, codec.ms(one.at), one.outcome, one.seconds, one.is_taken],
        )
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(key, mapping={"last_ms": codec.ms(one.at), "last_outcome": one.outcome})
        if one.is_taken:
            pipe.hset(key, "failures", 0)
            pipe.hdel(key, "failing_ms", "paused_ms")
        else:
            pipe.hincrby(key, "failures", 1)
            pipe.hsetnx(key, "failing_ms", codec.ms(one.at))
            if paused_until:
                pipe.hset(key, "paused_ms", codec.ms(paused_until))
        pipe.lpush(keys.endpoint_log(endpoint), json.dumps(row))
        pipe.ltrim(keys.endpoint_log(endpoint), 0, _LOG_MAX - 1)
        pipe.execute()

    def log(self, endpoint: str) -> Sequence[EndpointTry]:
        """The last tries, newest first."""
        rows = (json.loads(str(row)) for row in self._redis.lrange(keys.endpoint_log(endpoint), 0, -1))
        return [EndpointTry(row[0], row[1], codec.from_ms(row[2]), *row[3:]) for row in rows]

    def failed(self, endpoint: str) -> Sequence[str]:
        """The ids of what was given up, oldest first."""
        return [self._feed.id_at(str(place)) for place in self._redis.zrange(keys.endpoint_failed(endpoint), 0, -1)]

    def waiting(self, endpoint: str) -> int:
        """How many events are to be tried again."""
        return int(self._redis.zcard(keys.endpoint_again(endpoint)))

    def resend(self, endpoint: str, events: Sequence[str], *, now: datetime) -> int:
        """Try these once more, by their ids; how many the feed still holds."""
        places = (place for event in events if (place := self._feed.place_of(event)))
        there = [place for place in places if self._feed.event(endpoint, place)]
        if there:
            pipe = self._redis.pipeline(transaction=True)
            pipe.zadd(keys.endpoint_again(endpoint), dict.fromkeys(there, codec.ms(now)))
            pipe.hset(keys.endpoint_tries(endpoint), mapping=dict.fromkeys(there, 0))
            pipe.zrem(keys.endpoint_failed(endpoint), *there)
            pipe.hdel(keys.endpoint(endpoint), "paused_ms")
            pipe.zadd(keys.DUE_ENDPOINTS, {endpoint: 0})
            pipe.execute()
        return len(there)


_PARTS = (keys.endpoint_again, keys.endpoint_tries, keys.endpoint_failed, keys.endpoint_log, keys.endpoint_lease)


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _endpoint(endpoint: str, row: dict[str, str]) -> Endpoint:
    known = {kind.value for kind in EventType}
    try:
        url, why = current().open(KIND, row["url"]), row.get("why", "")
    except (StoreUnfit, ValueError) as error:
        url, why = "", f"its URL cannot be opened: {error}"

    def moment(name: str) -> datetime | None:
        return codec.from_ms(row[name]) if row.get(name) else None

    return Endpoint(
        id=endpoint,
        url=url,
        events=tuple(EventType(name) for name in row.get("events", "").split() if name in known),
        is_on=bool(url) and row.get("is_on") == "1",
        created_at=codec.from_ms(row["created_ms"]),
        why=why,
        failing_since=moment("failing_ms"),
        failures=int(row.get("failures", 0)),
        paused_until=moment("paused_ms"),
        last_at=moment("last_ms"),
        last_outcome=row.get("last_outcome", ""),
    )
