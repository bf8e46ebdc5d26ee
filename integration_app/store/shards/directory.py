"""Which shards a route leads to. A route is the key under which it stands in a shard.

Each route's entry lies in the first two shards, so that one that is away hides no user of the others, and none has to
move when there are more. An entry names every shard that has the route, and may name more. One that is missing (new,
expired, of an epoch before) is made anew by asking all shards, so a directory that was lost costs questions and no
message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from integration_app.errors import StoreUnfit
from integration_app.store import keys
from integration_app.store.accounts import name_of
from integration_app.store.identity import Identity
from integration_app.store.installations import Installations, phone_keys
from integration_app.store.scripts import load
from integration_app.store.shards.turn import PASSED, Fence, NotMovedError

_MOVING = "this user is being moved to another Redis: try again in a minute"
PLACES = (0, 1)
"""The shards in which it lies."""
_TTL = int(timedelta(days=7).total_seconds())


class Directory:
    """`each`: a client of every shard, in their order."""

    def __init__(self, each: Sequence[Redis]) -> None:
        self._each = each
        self._identities = [Identity(redis) for redis in each]
        self._checked: set[int] = set()
        self._where = [load(redis, "where") for redis in each]
        self._placed = [load(redis, "placed") for redis in each]

    def check(self, *numbers: int) -> None:
        """Whether these shards (all of them by default) stand where they belong; asked once. Raises `StoreUnfit`."""
        for number in numbers or range(len(self._each)):
            if number not in self._checked:
                if number >= len(self._each):
                    raise StoreUnfit("REDIS_URLS names fewer than before → name them all again")
                self._identities[number].check_place(number, len(self._each))
                self._checked.add(number)

    def check_at_rest(self, uid: str) -> None:
        """Raises `StoreUnfit` while this user is on the way from one shard to another."""
        if any(redis.hexists(keys.ARRIVING, name_of(uid)) for redis in self._each):
            raise StoreUnfit(_MOVING)

    def check_gone(self, uid: str) -> None:
        """Raises `StoreUnfit` where this user is in any shard."""
        if any(redis.hexists(keys.installation(uid), "created_at") for redis in self._each):
            raise StoreUnfit(_MOVING)

    def forget_left(self, uid: str) -> None:
        """No shard says any more where this user has gone."""
        for redis in self._each:
            redis.hdel(keys.installation(uid), "moved_to")

    def check_here(self, uid: str, number: int) -> None:
        """Raises `StoreUnfit` where this user has left the shard: what was changed there may not have come along."""
        if self._each[number].hexists(keys.installation(uid), "moved_to"):
            raise StoreUnfit(_MOVING)

    def home(self, uid: str) -> int:
        """Where a user who is nowhere yet belongs: among the shards that every process knows by now."""
        known = [number for number, redis in enumerate(self._each) if not number or redis.hexists(keys.STORE, "open")]
        return known[_hash(keys.installation(uid)) % len(known)]

    def of(self, uid: str) -> int:
        """The shard of this user; their home where there is no such user. Raises `StoreUnfit` for the moment in which
        they have left one and are not in the next.
        """
        route = keys.installation(uid)
        found = sorted(self.shards([route]))
        if len(found) < 2:
            return found[0] if found else self.home(uid)
        away: Exception | None = None
        for _ in range(2):  # they may get there between the two questions
            for number in found:
                try:
                    if self._each[number].hexists(route, "created_at"):
                        return number
                except (RedisError, OSError) as error:  # it may have named one too many
                    away = error
            if away is not None:
                raise away
            self.check_at_rest(uid)
        return found[0]

    def shards(self, routes: Iterable[str]) -> set[int]:
        """Every shard that one of the routes leads to."""
        found: set[int] = set()
        by_place: dict[int, list[str]] = {}
        for route in routes:
            by_place.setdefault(self._places(route)[0], []).append(route)
        for place, some in by_place.items():
            for route, known in zip(some, self._known(place, some), strict=True):
                found |= set(map(int, known)) or self._learn(route)
        return found

    def _known(self, place: int, routes: Sequence[str]) -> Sequence[Sequence[str]]:
        try:
            return self._where[place](routes=routes)  # type: ignore[no-any-return]
        except (RedisError, OSError):
            return self._where[1 - place](routes=routes)  # type: ignore[no-any-return]

    def add(self, route: str, number: int) -> None:
        """It leads to this shard too, from now on. Before it does: an entry never lacks a shard."""
        self._note(route, {number, *self._ask_all(route)})

    def move(self, route: str, number: int, fences: Mapping[int, Fence]) -> None:
        """It leads to this shard alone. `fences`: of `PLACES`; raises `NotMovedError` where one has been passed."""
        turns = {place: fence.token for place, fence in fences.items()}
        self._note(route, {number}, is_all=True, turns=turns)

    def routes_of(self, uid: str) -> list[str]:
        """Every route that leads to this user."""
        here = Installations(self._each[self.of(uid)])
        found = here.get(uid)
        phones = [route for number in (found.phones if found else ()) for route in phone_keys(number)]
        return [keys.installation(uid), *phones, *map(keys.inbox, here.tokens(uid))]

    def forget(self, routes: Iterable[str]) -> None:
        """They lead to none any more, as far as is known here."""
        for route in routes:
            self._note(route, (), is_all=True)

    def clear(self) -> None:
        """Forget everything: routes have other names now."""
        for redis in self._each:
            for key in redis.scan_iter(f"{keys.AT}*", count=1000):
                redis.delete(key)

    def _learn(self, route: str) -> set[int]:
        if found := self._ask_all(route):
            with suppress(RedisError, OSError):  # asked again next time
                self._note(route, found)
        return found

    def _ask_all(self, route: str) -> set[int]:
        return {place for number, redis in enumerate(self._each) for place in _led_by(redis, route, number)}

    def _note(
        self, route: str, numbers: Iterable[int], *, is_all: bool = False, turns: Mapping[int, str] | None = None
    ) -> None:
        for place in self._places(route):
            turn, rows = (turns or {}).get(place, ""), sorted(numbers)
            if not self._placed[place](route=route, ttl=_TTL, is_all=int(is_all), turn=turn, numbers=rows):
                raise NotMovedError(PASSED)

    def _places(self, route: str) -> tuple[int, int]:
        """Where it is looked for, and where else it lies."""
        first = _hash(route) % 2
        return first, 1 - first


def _led_by(redis: Redis, route: str, number: int) -> Iterable[int]:
    """Where a route leads, as far as one shard (`number`) knows: to itself, and to where a user has gone."""
    if not route.startswith(keys.INSTALLATION):
        return [number] if redis.exists(route) else []
    made, moved = redis.hmget(route, "created_at", "moved_to")
    there = [int(str(moved).removeprefix(keys.FORWARD).partition(":")[0])] if moved else []
    return [number, *there] if made or moved else []


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())
