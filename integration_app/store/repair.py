"""What cannot be read must stop nobody: a key of another type is put aside, an unreadable record is marked.

Looked at only after a drain has failed, so it may take its time. Everything that is put aside keeps its bytes for the
operator, below `oi:spoilt:`, for thirty days.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from integration_app.errors import StoreUnfit
from integration_app.model import UNREADABLE, Content, InboundMessage, Route
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from integration_app.store.gates import as_gates, scopes
from integration_app.store.installations import as_installation
from integration_app.store.packed import arrived_at

_KEEP_SECONDS = 30 * 24 * 3600
_SHARED = {
    keys.DUE: "zset", keys.BOOKED: "zset", keys.MESSAGES: "zset", keys.PARKED: "zset", keys.QUARANTINE: "zset",
    keys.FAILING: "zset", keys.HELD: "hash", keys.COUNTERS: "hash", keys.BUDGET: "string", keys.PROBING: "string",
    keys.FAILURES: "string", keys.FAILED_UIDS: "set", keys.LIMITED: "string", keys.LIMITED_UIDS: "set",
    keys.PACKED_IDS: "list", keys.STILL_LISTED: "set",
}  # fmt: skip
_TYPES = frozenset(("string", "list", "set", "zset", "hash", "stream"))
_TEXTS = ("prepared", "content")
PUT_ASIDE = "spoilt records in Redis were put aside"


class Repair:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, uid: str) -> list[str]:
        """Look at everything that a drain of this uid reads. Returns what was put aside or marked, as key names and
        fields, never their contents.
        """
        nonce = secrets.token_hex(8)
        if self._redis.echo(nonce) != nonce:
            raise RuntimeError("Redis answers out of turn: nothing is touched")
        done = [key for key, kind in _SHARED.items() if self._of_type(key, kind)]
        done += self._own_keys(uid)
        done += self._gates(uid)
        done += self._installation(uid)
        done += self._deliveries(uid)
        for message_id in map(str, self._redis.zrange(keys.outbox(uid), 0, -1)):
            done += self._message(message_id, uid)
        return done

    @staticmethod
    def is_outage(error: Exception) -> bool:
        """Redis is away, or a key to what it holds is missing: nothing is wrong with it."""
        return isinstance(error, RedisConnectionError | RedisTimeoutError | OSError | StoreUnfit)

    # --- each kind of key -----------------------------------------------------------------------------------

    def _own_keys(self, uid: str) -> list[str]:
        own = {keys.open_deliveries(uid): "zset", keys.of(uid): "zset", keys.lease(uid): "string"}
        own |= {keys.phones(uid): "set", keys.poke(uid): "string", keys.outbox(uid): "zset"}
        done = [key for key, kind in own.items() if self._of_type(key, kind)]
        if keys.outbox(uid) in done:
            self._rebuild_outbox(uid)
        return done

    def _rebuild_outbox(self, uid: str) -> None:
        """From the messages of this uid that are not finished."""
        rows: list[tuple[str, float]] = self._redis.zrange(keys.of(uid), 0, -1, withscores=True)  # type: ignore[assignment]
        for message_id, seq in rows:
            if self._redis.hget(keys.message(str(message_id)), f"state:{name_of(uid)}") in ("waiting", "sending"):
                self._redis.zadd(keys.outbox(uid), {str(message_id): seq})

    def _gates(self, uid: str) -> list[str]:
        return [
            key
            for name, scope in scopes(uid).items()
            if self._of_type(key := keys.gate(scope), "hash")
            or self._unreadable(key, lambda raw, name=name: as_gates([(name, raw)]))  # type: ignore[misc]
        ]

    def _installation(self, uid: str) -> list[str]:
        key = keys.installation(uid)
        if self._of_type(key, "hash"):
            return [key]
        raw = self._hash(key)
        if not raw or _reads(lambda: as_installation(uid, raw, [])):
            return []
        # the rest of it leads mail here, so only what cannot be read goes
        self._redis.hdel(key, "preferences")
        self._redis.hset(key, "preferences:spoilt", raw.get("preferences", ""))
        without = {name: value for name, value in raw.items() if name != "preferences"}
        if not _reads(lambda: as_installation(uid, without, [])):
            self._aside(key)
        return [key]

    def _deliveries(self, uid: str) -> list[str]:
        """A delivery that cannot be read may be in Omi: its messages are looked up there, one by one (epoch 0)."""
        done: list[str] = []
        for delivery_id in map(str, self._redis.zrange(keys.open_deliveries(uid), 0, -1)):
            key = keys.delivery(delivery_id)
            if not self._of_type(key, "hash"):
                raw = self._hash(key)
                if raw and _reads(lambda raw=raw: codec.load_delivery(raw)):  # type: ignore[misc]
                    continue
                self._aside(key)
            self._redis.zrem(keys.open_deliveries(uid), delivery_id)
            done.append(key)
        if done:
            for message_id in map(str, self._redis.zrange(keys.outbox(uid), 0, -1)):
                message = keys.message(message_id)
                if (
                    self._redis.type(message) == "hash"
                    and self._redis.hget(message, f"state:{name_of(uid)}") == "sending"
                ):
                    self._redis.hset(message, mapping={f"state:{name_of(uid)}": "waiting", "epoch": 0})
        return done

    def _message(self, message_id: str, uid: str) -> list[str]:
        """Mark one that cannot be read, so that it is parked; its bytes stay in it."""
        key = keys.message(message_id)
        story = keys.story(message_id)
        told = [story] if self._of_type(story, "list") else []
        spoilt = [key] if self._of_type(key, "hash") else []
        raw = self._hash(key)
        envelope = raw.get("envelope")
        message = _read(lambda: codec.load_message(envelope or "", None))
        bad = [
            name
            for name in _TEXTS
            if name in raw and not _reads(lambda name=name: _load_text(name, raw[name]))  # type: ignore[misc]
        ]
        spoilt += [f"{key} {name}" for name in bad]
        if message is None:
            spoilt.append(f"{key} envelope")
        if not spoilt:
            return told
        for name in (*bad, *(["envelope"] if message is None and envelope is not None else [])):
            self._redis.hset(key, f"spoilt:{name}", raw[name])
            self._redis.hdel(key, name)
        marked = codec.dump_envelope(message or _nobody(message_id), control=UNREADABLE)
        seq = self._redis.zscore(keys.outbox(uid), message_id) or 0
        self._redis.hset(key, mapping={"envelope": marked, "seq": raw.get("seq") or int(seq)})
        for name, value in ((f"state:{name_of(uid)}", "waiting"), ("pending", 1)):
            self._redis.hsetnx(key, name, value)
        return spoilt + told

    # --- tools ----------------------------------------------------------------------------------------------

    def _of_type(self, key: str, kind: str) -> bool:
        """Put the key aside unless it is of this type, or missing. Whether it was."""
        if self._redis.type(key) not in _TYPES - {kind}:
            return False
        self._aside(key)
        return True

    def _unreadable(self, key: str, load: Callable[[dict[str, str]], Any]) -> bool:
        raw = self._hash(key)
        if not raw or _reads(lambda: load(raw)):
            return False
        self._aside(key)
        return True

    def _aside(self, key: str) -> None:
        put_aside(self._redis, key)

    def _hash(self, key: str) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._redis.hgetall(key).items()}


def _load_text(name: str, raw: str) -> Any:
    return codec.load_prepared(raw) if name == "prepared" else codec.load_content(raw)


def _nobody(message_id: str) -> InboundMessage:
    """In the place of an envelope that cannot be read."""
    return InboundMessage(
        provider="unknown",
        event_id=message_id,
        dedupe_keys=(),
        channel="unknown",
        route=Route.UID,
        sender="",
        received_at=arrived_at(message_id),
        content=Content(),
    )


def _reads(load: Callable[[], Any]) -> bool:
    return _read(load) is not None


def _read(load: Callable[[], Any]) -> Any:
    try:
        found = load()
    except StoreUnfit:  # its key is missing: nothing is wrong with it
        raise
    except Exception:  # noqa: BLE001 - whatever it raises, it cannot be read
        return None
    return found if found is not None else ()


def put_aside(redis: Redis, key: str) -> None:
    """What cannot be read, for the operator."""
    pipe = redis.pipeline(transaction=True)
    pipe.rename(key, keys.spoilt(key))
    pipe.expire(keys.spoilt(key), _KEEP_SECONDS)
    pipe.set(keys.PUT_ASIDE, 1, ex=_KEEP_SECONDS)
    try:
        pipe.execute()
    except ResponseError as error:
        if "no such key" not in str(error):  # another process was quicker
            raise


def was_put_aside(redis: Redis) -> bool:
    """Whether anything was since the last time that this was asked."""
    return redis.getdel(keys.PUT_ASIDE) is not None


def spoilt_keys(redis: Redis) -> Iterable[str]:
    """What has been put aside, for the operator."""
    return (str(key) for key in redis.scan_iter(f"{keys.SPOILT}*", count=1000))
