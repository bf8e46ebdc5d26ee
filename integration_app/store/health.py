"""Signs of life, counters, and what Redis says about itself."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from redis import Redis
from redis.exceptions import ResponseError

from integration_app import logs
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.scripts import load

log = logs.get(__name__)

_ALARM_SECONDS = 3600
_REWRITE_SECONDS = 24 * 3600
MEMORY_SHARE_MAX = 0.8
LAG_SECONDS_MAX = 10
SKEW_SECONDS_MAX = 5


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What decides whether this Redis may hold messages."""

    version: str
    append_only: bool | None
    append_fsync: str | None
    save_points: bool | None
    eviction_policy: str | None
    max_memory: int | None
    used_memory: int = 0
    replicas: int = 0
    lag_seconds: int = 0
    min_replicas: int | None = None
    skew_seconds: float = 0.0
    others: tuple[RedisFacts, ...] = ()

    def beside(self, others: Iterable[RedisFacts]) -> RedisFacts:
        """Of several: what is wrong with any is said."""
        return replace(self, others=tuple(others))

    def mistakes(self) -> list[str]:
        """Why this Redis would lose messages, each as a sentence; empty when it would not.

        None means that the server does not tell (a managed one may forbid CONFIG): nothing is claimed then.
        """
        return list(dict.fromkeys(row for one in (self, *self.others) for row in one._mistakes()))

    def _mistakes(self) -> list[str]:
        found: list[str] = []
        if tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit()) < (7, 0):
            found.append(f"Redis {self.version} is too old: 7.0 or newer, or Valkey, is needed → install it")
        if self.eviction_policy and self.eviction_policy != "noeviction" and self.max_memory != 0:
            found.append(
                f"maxmemory-policy is {self.eviction_policy}: under memory pressure this Redis throws messages away "
                "→ set maxmemory-policy noeviction"
            )
        if self.append_only and self.append_fsync == "no":
            found.append("appendfsync is no: a crash loses what was accepted lately → set appendfsync always")
        if self.append_only is False:
            what = "only snapshots" if self.save_points else "nothing"
            found.append(f"{what} of this Redis is kept on disk: a restart loses messages → set appendonly yes")
        return found

    def risks(self, *, ack_replicas: int, has_sentinels: bool) -> list[str]:
        """What may be lost or late although nothing is set wrongly, each as a sentence with what to do."""
        rows = (one._risks(ack_replicas, has_sentinels) for one in (self, *self.others))
        return list(dict.fromkeys(chain.from_iterable(rows)))

    def _risks(self, ack_replicas: int, has_sentinels: bool) -> list[str]:
        found: list[str] = []
        if self.append_only and self.append_fsync == "everysec":
            found.append(
                "appendfsync is everysec: a power cut loses the last second of what was accepted; what was sent in it "
                "is looked up in Omi before it is sent again → set appendfsync always"
            )
        if (self.replicas or has_sentinels) and not ack_replicas:
            found.append(
                "there are replicas or sentinels, and ACK_REPLICAS is 0: a failover loses what only the primary had "
                "→ set ACK_REPLICAS=1"
            )
        if ack_replicas > self.replicas:
            found.append(
                f"ACK_REPLICAS is {ack_replicas}, and {self.replicas} replicas are connected: all is refused "
                "→ connect them"
            )
        if (self.replicas or has_sentinels) and self.min_replicas == 0:
            found.append(
                "min-replicas-to-write is 0: a primary that is cut off goes on taking writes that are lost when it "
                "returns → set min-replicas-to-write 1 and min-replicas-max-lag 1"
            )
        if self.lag_seconds > LAG_SECONDS_MAX:
            found.append(f"a replica is {self.lag_seconds} s behind → look at its load, disk and network")
        if self.max_memory and self.used_memory > MEMORY_SHARE_MAX * self.max_memory:
            share = self.used_memory / self.max_memory
            found.append(
                f"Redis is {share:.0%} full: beyond maxmemory every message is refused "
                "→ more memory, or shorter TEXT_RETENTION_DAYS"
            )
        if abs(self.skew_seconds) > SKEW_SECONDS_MAX:
            found.append(
                f"the clocks of this host and of Redis are {self.skew_seconds:+.0f} s apart, and due times with them "
                "→ let NTP set both"
            )
        return found


class Health:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._count = load(redis, "count")

    def write_and_read_back(self) -> bool:
        """Prove that Redis takes a write: a full or read-only one still answers PING."""
        value = secrets.token_hex(8)
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(keys.PROBE, value, ex=60)
        pipe.get(keys.PROBE)
        return bool(pipe.execute()[1] == value)

    def leave(self, nonce: str, proof: str) -> None:
        """For a web process that shares this Redis to know."""
        self._redis.set(keys.nonce(nonce), proof, ex=60)

    def left(self, nonce: str) -> str:
        """The proof that was left for it; "" for none."""
        return str(self._redis.get(keys.nonce(nonce)) or "")

    def beat(self, worker: str, *, now: datetime) -> None:
        """A worker process is alive."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(keys.WORKERS, {worker: codec.ms(now)})
        pipe.zremrangebyscore(keys.WORKERS, "-inf", codec.ms(now - timedelta(days=1)))
        pipe.execute()

    def silence(self, worker: str) -> None:
        """A worker process stops by its own will."""
        self._redis.zrem(keys.WORKERS, worker)

    def workers(self, *, since: datetime, host: str = "") -> int:
        """How many worker processes (of one host, where named) gave a sign of life since then."""
        names = self._redis.zrangebyscore(keys.WORKERS, codec.ms(since), "+inf")
        return sum(str(name).startswith(f"{host}-" if host else "") for name in names)

    def count(self, name: str, *, now: datetime) -> None:
        """Count it in all, and in its five minutes of the last day."""
        self._count(rates=keys.rates_at(now), name=name)

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to what was counted in all."""
        pipe = self._redis.pipeline(transaction=False)
        for name, count in counts.items():
            pipe.hincrby(keys.COUNTERS, name, count)
        pipe.execute()

    def seconds(self) -> float:
        """How long one question to Redis takes now."""
        began = time.perf_counter()
        self._redis.exists(keys.PROBE)
        return time.perf_counter() - began

    def failing(self, uid: str, *, now: datetime) -> None:
        """A drain of this uid has failed."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(keys.FAILING, {name_of(uid): codec.ms(now)})
        pipe.zremrangebyscore(keys.FAILING, "-inf", codec.ms(now - timedelta(days=1)))
        pipe.execute()

    def failed_since(self, since: datetime) -> list[str]:
        """The uids whose drains have failed since then."""
        return [uid_of(str(name)) for name in self._redis.zrangebyscore(keys.FAILING, codec.ms(since), "+inf")]

    def alarm(self, cause: str, *, now: datetime) -> bool:
        """Tell the operator, once an hour for each cause. Whether it was told now."""
        if not self._redis.set(keys.alarm(cause), codec.ms(now), nx=True, ex=_ALARM_SECONDS):
            return False
        log.error("alarm", reason=cause)
        self.count("alarms", now=now)
        return True

    def last(self, counted: str) -> datetime | None:
        """When a genuine event of this provider came last (`webhooks:<provider>:`)."""
        at = self._redis.hget(keys.LAST, counted)
        return codec.from_ms(str(at)) if at else None

    def slots(self, count: int, *, now: datetime) -> list[dict[str, int]]:
        """What was counted in each of the last five-minute slots, oldest first."""
        last = keys.rate_slot(now)
        pipe = self._redis.pipeline(transaction=False)
        for slot in range(last - count + 1, last + 1):
            pipe.hgetall(keys.rates(slot))
        return [{str(name): int(value) for name, value in row.items()} for row in pipe.execute()]

    def counters(self) -> dict[str, int]:
        return {str(name): int(value) for name, value in sorted(self._redis.hgetall(keys.COUNTERS).items())}

    def facts(self) -> RedisFacts:
        info = self._redis.info()
        config = self._config()
        replicas = [row for name, row in info.items() if name.startswith("slave") and isinstance(row, dict)]
        return RedisFacts(
            version=str(info.get("valkey_version") or info.get("redis_version") or "0"),
            append_only=_yes(config.get("appendonly")),
            append_fsync=config.get("appendfsync"),
            save_points=bool(config["save"].strip()) if "save" in config else None,
            eviction_policy=config.get("maxmemory-policy") or info.get("maxmemory_policy"),
            max_memory=int(info["maxmemory"]) if "maxmemory" in info else None,
            used_memory=int(info.get("used_memory", 0)),
            replicas=int(info.get("connected_slaves", 0)),
            lag_seconds=max((int(row.get("lag", 0)) for row in replicas), default=0),
            min_replicas=int(config["min-replicas-to-write"]) if "min-replicas-to-write" in config else None,
            skew_seconds=self._skew(),
        )

    def _skew(self) -> float:
        """How far this host's own clock is ahead of Redis's, in seconds."""
        seconds, micros = self._redis.time()
        return time.time() - int(seconds) - int(micros) / 1e6

    def coming(self) -> list[tuple[str, int, str | None]]:
        """Who is on the way to here, from which of several, and the lease of that move."""
        plans = {str(name): json.loads(str(plan)) for name, plan in self._redis.hgetall(keys.ARRIVING).items()}
        return [(name, int(plan["from"]), plan.get("lease")) for name, plan in plans.items()]

    def has_left(self, name: str, lease: str | None) -> bool:
        """Whether this user, as they are called in Redis, has left here with this move."""
        return bool(json.loads(str(self._redis.hget(keys.DEPARTED, name) or "{}")).get("lease", "") == lease)

    def away(self) -> list[str]:
        """Which of several do not answer, as sentences with what to do."""
        return []

    def forget_on_disk(self, *, at_once: bool = False) -> None:
        """Have Redis write its append-only file anew, without what was erased: at the next sweep, or `at_once`. Once
        a day in any case, for what has expired.
        """
        if not at_once:
            with suppress(ResponseError):  # a full Redis; it is done once a day in any case
                self._redis.set(keys.REWRITE, 1)
            return
        wanted = self._redis.get(keys.REWRITE)
        if not wanted and not self._redis.set(keys.REWRITTEN, 1, nx=True, ex=_REWRITE_SECONDS):
            return
        try:
            self._redis.bgrewriteaof()
        except ResponseError:  # one is running, or a managed server does that by itself
            return
        self._redis.delete(keys.REWRITE)
        self._redis.set(keys.REWRITTEN, 1, ex=_REWRITE_SECONDS)

    def swept(self, *, now: datetime) -> None:
        """Retention has been looked after."""
        self._redis.set(keys.SWEPT, codec.ms(now))

    def swept_at(self) -> datetime | None:
        at = self._redis.get(keys.SWEPT)
        return codec.from_ms(str(at)) if at else None

    def _config(self) -> dict[str, str]:
        """CONFIG GET, where the server allows it."""
        try:
            wanted = ("appendonly", "appendfsync", "save", "maxmemory-policy", "min-replicas-to-write")
            return {name: str(value) for name in wanted for value in self._redis.config_get(name).values()}
        except ResponseError:
            return {}


def counted(slot: Mapping[str, int], prefix: str, ending: str = "") -> int:
    """How often such names were counted in one slot."""
    return sum(count for name, count in slot.items() if name.startswith(prefix) and name.endswith(ending))


def _yes(value: str | None) -> bool | None:
    return None if value is None else value == "yes"
