"""Plan and carry out an import: what is new, what is a duplicate, how long it takes; then item by item, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from integration_app.omi import OmiError, OutcomeUnknown
from integration_app.transfer.items import ConversationItem, Item, MemoryItem, TaskItem, counted, kind_of
from integration_app.transfer.ledger import Ledger
from integration_app.transfer.places import Place


@dataclass(frozen=True, slots=True)
class Plan:
    """`new` in the order in which they go; `duplicates` were sent before, are there already, or occur twice here."""

    new: tuple[Item, ...]
    duplicates: int
    calls: dict[str, int]
    hours: float

    @property
    def counts(self) -> dict[str, int]:
        return counted(self.new)


@dataclass(slots=True)
class Report:
    sent: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    failed: list[str] = field(default_factory=list)


def plan(items: Iterable[Item], place: Place, ledger: Ledger) -> Plan:
    """Reads what is there already; changes nothing."""
    seen: set[str] = set()
    new: list[Item] = []
    duplicates = 0
    known: set[str] | None = None
    for item in items:
        if isinstance(item, MemoryItem):
            known = place.known_memories() if known is None else known
        there = isinstance(item, MemoryItem) and item.content in (known or ())
        if there or item.key in seen or ledger.state(item.key) == "done":
            duplicates += 1
            continue
        seen.add(item.key)
        new.append(item)
    counts = counted(new)
    calls = {kind: -(-number // place.batch[kind]) for kind, number in counts.items()}
    hours = max(((number - 1) / place.calls_per_hour[kind] for kind, number in calls.items()), default=0.0)
    return Plan(tuple(new), duplicates, calls, hours)


def carry_out(made: Plan, place: Place, ledger: Ledger, progress: Callable[[int], None] = lambda count: None) -> Report:
    """Send what is new. Stopped at any point, the next run goes on from there."""
    report = Report(duplicates=made.duplicates)
    for batch in _batches(made.new, place):
        batch = _not_there_yet(batch, place, ledger, report)
        if not batch:
            progress(1)
            continue
        keys = [item.key for item in batch]
        ledger.begin(keys)
        try:
            place.send(batch)
        except OutcomeUnknown as error:
            report.failed.append(f"{kind_of(batch[0])}: {error.reason}; run it again, it will be looked up")
            raise
        except OmiError:
            ledger.forget(keys)
            raise
        ledger.done(keys)
        report.sent[kind_of(batch[0])] = report.sent.get(kind_of(batch[0]), 0) + len(batch)
        progress(len(batch))
    return report


def _not_there_yet(batch: Sequence[Item], place: Place, ledger: Ledger, report: Report) -> list[Item]:
    """Without what was begun before, was never answered, and is in Omi after all."""
    wanted = []
    for item in batch:
        if ledger.state(item.key) == "begun" and place.holds(item):
            ledger.done([item.key])
            report.duplicates += 1
        else:
            wanted.append(item)
    return wanted


def _batches(items: Sequence[Item], place: Place) -> Iterator[Sequence[Item]]:
    """Kind by kind, oldest first."""
    for kind in (ConversationItem, MemoryItem, TaskItem):
        rows = [item for item in items if isinstance(item, kind)]
        size = place.batch[kind_of(rows[0])] if rows else 1
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
