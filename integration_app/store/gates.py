"""Gates: times before which nothing is sent, for one kind of one uid, for one uid, or for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Gate, GateScope, Kind, Reason, Retry, why
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from integration_app.store.scripts import load

_REMEMBER = timedelta(hours=1)
"""How long an opened gate is remembered: messages that it held up are still grouped by it, and `tries` goes on."""


class Gates:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._close = load(redis, "close_gate")

    def of(self, uid: str) -> dict[str, Gate]:
        """The gates that concern a uid, closed or lately opened: `all`, `uid`, per kind `<kind>` and `all:<kind>`."""
        names = scopes(uid)
        pipe = self._redis.pipeline(transaction=False)
        for scope in names.values():
            pipe.hgetall(keys.gate(scope))
        return as_gates(zip(names, pipe.execute(), strict=True))

    def close(self, scope: GateScope, uid: str, kind: Kind | None, decision: Retry, *, now: datetime) -> int:
        """Close a gate until `decision.at`. Returns how many times in a row it has been closed."""
        ttl = max(timedelta(0), decision.at - now) + _REMEMBER
        return int(
            self._close(
                gate=keys.gate(_scope(scope, uid, kind)),
                until_iso=decision.at.isoformat(),
                reason=why(decision),
                cause=f"{decision.reason.key} {why(decision)}",
                ttl=int(ttl.total_seconds()) + 1,
                until_ms=codec.ms(decision.at),
                now_ms=codec.ms(now),
            )
        )

    def reset(self, uid: str, kind: Kind) -> None:
        """After a success: the next closing counts from one, for this kind, this uid and everybody."""
        self._redis.delete(*(keys.gate(_scope(scope, uid, kind)) for scope in GateScope))

    def of_all(self) -> dict[str, Gate]:
        """The gates that hold up everybody."""
        return {name: gate for name, gate in self.of("").items() if name.startswith("all")}

    def open_everybody(self) -> None:
        """Omi accepted our key, so the gate for everybody opens; those of missing capabilities stay."""
        self._redis.delete(keys.gate(_scope(GateScope.ALL, "", None)))

    def open_all(self) -> None:
        """Forget the gates that hold up everybody: an operator has mended what was wrong."""
        names = [_scope(GateScope.ALL, "", None), *(_scope(GateScope.ALL_OF_KIND, "", kind) for kind in Kind)]
        self._redis.delete(*(keys.gate(name) for name in names))

    def open(self, uid: str) -> None:
        """Forget every gate of one uid (an operator asked for it, or the user is back)."""
        names = [_scope(GateScope.UID, uid, None), *(_scope(GateScope.KIND, uid, kind) for kind in Kind)]
        self._redis.delete(*(keys.gate(name) for name in names))

    def erase(self, uid: str) -> None:
        self.open(uid)


def scopes(uid: str) -> dict[str, str]:
    """The names under which the gates of a uid are known here, and in Redis."""
    names = {"all": _scope(GateScope.ALL, uid, None), "uid": _scope(GateScope.UID, uid, None)}
    for kind in Kind:
        names[kind.value] = _scope(GateScope.KIND, uid, kind)
        names[f"all:{kind.value}"] = _scope(GateScope.ALL_OF_KIND, uid, kind)
    return names


def as_gates(rows: Iterable[tuple[str, dict[str, str]]]) -> dict[str, Gate]:
    return {
        name: Gate(
            datetime.fromisoformat(raw["until"]),
            _reason(raw.get("cause", ""), raw["reason"]),
            raw["reason"],
            int(raw["tries"]),
        )
        for name, raw in rows
        if raw
    }


def _reason(cause: str, sentence: str) -> Reason:
    """By its cause, if that was written with this sentence: an older worker beside us writes the sentence alone."""
    key, _, said = cause.partition(" ")
    return Reason.read(key if said == sentence else None, sentence)


def _scope(scope: GateScope, uid: str, kind: Kind | None) -> str:
    if scope is GateScope.ALL:
        return "all"
    if scope is GateScope.ALL_OF_KIND and kind is not None:
        return f"all:{kind.value}"
    name = name_of(uid)
    return f"uid:{name}" if scope is GateScope.UID or kind is None else f"uid:{name}:{kind.value}"
