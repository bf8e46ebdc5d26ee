"""One pass over an outbox: the snapshot it works from, and what has come of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from integration_app.model import NO_PREFERENCES, Gate, GateScope, Installation, Kind, Preferences, PreparedText
from integration_app.store.due import Lease
from integration_app.store.outbox import Snapshot


@dataclass(slots=True)
class DrainPass:
    """`acted`: a delivery was sent, settled or set aside, so another pass is due. `wakes`: when else to come back.
    `released`: the outbox has been given back. `unsaved`: texts prepared in this pass that are not kept yet.
    `blocked`: a message is not readable yet, and what came after it waits too. `held_since`: when the lease was last
    renewed, monotonic seconds.
    """

    lease: Lease
    snapshot: Snapshot
    gates: dict[str, Gate] = field(init=False)
    acted: bool = False
    blocked: bool = False
    held_since: float = 0.0
    wakes: list[datetime] = field(default_factory=list)
    released: bool = False
    unsaved: dict[str, PreparedText] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gates = dict(self.snapshot.gates)

    @property
    def installation(self) -> Installation | None:
        return self.snapshot.installation

    @property
    def preferences(self) -> Preferences:
        return self.installation.preferences if self.installation else NO_PREFERENCES

    def gate_until(self, kind: Kind, now: datetime) -> datetime:
        """Until when this kind may not leave; `now` when it may."""
        return max(now, closed_until(self.gates).get(kind, now))

    def tries(self, scope: GateScope, kind: Kind) -> int:
        """How often in a row the gate of this scope was closed."""
        gate = self.gates.get(gate_name(scope, kind))
        return gate.tries if gate else 0


def closed_until(gates: Mapping[str, Gate]) -> dict[Kind, datetime]:
    """Per kind, the latest of the gates that concern it."""
    until: dict[Kind, datetime] = {}
    for kind in Kind:
        times = [gates[name].until for name in gate_names(kind) if name in gates]
        if times:
            until[kind] = max(times)
    return until


@cache
def gate_names(kind: Kind) -> tuple[str, ...]:
    return tuple(gate_name(scope, kind) for scope in GateScope)


def gate_name(scope: GateScope, kind: Kind) -> str:
    match scope:
        case GateScope.KIND:
            return kind.value
        case GateScope.ALL_OF_KIND:
            return f"all:{kind.value}"
        case _:
            return scope.value
