"""Whose store this is, and its epoch: a server that is not the one of before may have lost its newest writes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from integration_app.errors import StoreUnfit
from integration_app.store import codec, keys, vault
from integration_app.store.accounts import KIND
from integration_app.store.scripts import assemble, load


class Identity:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._init = load(redis, "init")
        self._new_epoch = load(redis, "new_epoch")
        self._begin_names = load(redis, "begin_names")

    def is_ours(self) -> bool:
        """Whether this store takes messages: it has been initialised, or holds data of before 0.3."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hexists(keys.STORE, "epoch")
        pipe.exists(keys.SEQ)
        return any(pipe.execute())

    def init(self, *, now: datetime) -> bool:
        """Make it ours. False when it was."""
        server = str(self._redis.info("server").get("run_id", ""))
        return bool(self._init(id=secrets.token_hex(8), now_ms=codec.ms(now), server=server))

    def join(self, number: int, count: int, names: str) -> None:
        """One of `count` from now on: its place among them, and the key by which they call users. Raises `StoreUnfit`
        for one that has another place, or calls its users otherwise.
        """
        pipe = self._redis.pipeline(transaction=True)
        pipe.hsetnx(keys.STORE, "shard", str(number))
        if names:
            pipe.hsetnx(keys.STORE, "names", names)
        pipe.hget(keys.STORE, "names")
        called = str(pipe.execute()[-1] or "")
        self.check_place(number, count)
        if _key_of(called) != _key_of(names):
            raise StoreUnfit(
                f"{_nth(number)} of REDIS_URLS has users of another installation → an empty one in its place"
            )
        self._redis.hset(keys.STORE, "shards", count)

    def open(self) -> None:
        """All processes know of this shard by now: new users may come here."""
        self._redis.hset(keys.STORE, "open", 1)

    def check_place(self, number: int, count: int) -> None:
        """Raises `StoreUnfit` where another place of REDIS_URLS is this store's, or there were more of them."""
        found, shards = (
            None if raw is None else int(raw) for raw in self._redis.hmget(keys.STORE, ("shard", "shards"))
        )
        if found is None:
            raise StoreUnfit(f"{_nth(number)} of REDIS_URLS is new → omi-inbox init takes it in")
        if found != number:
            raise StoreUnfit(f"{_nth(number)} of REDIS_URLS is {_nth(found)} → put them back in order")
        if shards and shards > count:
            raise StoreUnfit(f"REDIS_URLS names {count}, and there were {shards} → name them all again")

    def misplaced(self) -> str:
        """What is wrong with the order of several, and what to do; "" for nothing."""
        return ""

    def names_key(self, fresh: str) -> tuple[bool, str]:
        """The key of the accounts' names, as it is sealed; `fresh` becomes it in a store that has no account yet. ""
        where uids are kept as they are. And whether that stays so.
        """
        is_settled, key = self._begin_names(fresh=fresh)
        return bool(is_settled), str(key)

    def closing(self) -> None:
        """Nobody writes any more, and this server, which keeps every write, is about to stop. The next one has them
        all: nothing has to be looked up.
        """
        self._redis.hdel(keys.STORE, "server")

    def epoch(self) -> int:
        """0 where the store is not ours."""
        return int(self._redis.hget(keys.STORE, "epoch") or 0)

    def new_epoch(self, *, now: datetime) -> int | None:
        """Begin a new one by hand: what was accepted before is looked up in Omi before it is sent. None: not ours."""
        made = self._new_epoch(now_ms=codec.ms(now))
        return int(made) if made else None


def _key_of(sealed: str) -> str:
    return vault.current().open(KIND, sealed) if sealed else ""


def _nth(number: int) -> str:
    return f"shard {number}"


def greeter(clock: Callable[[], datetime], tag: str = "") -> Callable[[Any], None]:
    """For `redis_connect_func`: each new connection says which server it leads to before it carries anything else. A
    server that another one has taken over from begins a new epoch. `tag`: that of the client's keys.
    """
    script = assemble("greet", {}, tag=tag).text
    anchor = (1, keys.ANCHOR) if tag else (0,)
    last: list[str] = []

    def greet(connection: Any) -> None:
        connection.on_connect_check_health(check_health=False)  # a check would connect again, and greet again
        try:
            connection.send_command("INFO", "server", check_health=False)
            server = _run_id(connection.read_response(disable_decoding=True))
            if not server or last == [server]:
                return
            connection.send_command("EVAL", script, *anchor, server, codec.ms(clock()), check_health=False)
            if connection.read_response(disable_decoding=True) is not None:  # else the store is not ours yet
                last[:] = [server]
        except RedisError as error:
            if isinstance(error, RedisConnectionError | RedisTimeoutError):
                raise
            # a replica, one that is loading, or a user without INFO: whatever is to be written next finds out

    return greet


def _run_id(info: Any) -> str:
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    return next((line[7:].strip() for line in text.splitlines() if line.startswith("run_id:")), "")
