"""Pages of a list by offset: each item once, and always with an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

STALE_PAGES_MAX = 3


class HasId(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=HasId)


def pages(fetch: Callable[[int], list[Item]], page: int) -> Iterator[Item]:
    """Follow offsets until a page is empty, or several in a row bring nothing new.

    A short page is not the last one (Omi skips malformed rows, and clamps limits). An insertion shifts every later
    offset, so one stale page is no end; an Omi that ignores the offset would be asked without end, so a few are. The
    offset grows by what came, not by what was asked for: a clamped limit would leave gaps otherwise.
    """
    seen: set[str] = set()
    offset = stale = 0
    while stale < STALE_PAGES_MAX and (rows := fetch(offset)):
        fresh = [row for row in rows if row.id not in seen]
        seen.update(row.id for row in fresh)
        stale = 0 if fresh else stale + 1
        yield from fresh
        offset += min(len(rows), page)
