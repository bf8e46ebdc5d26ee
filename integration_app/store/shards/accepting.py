"""Accepting a message for users of several shards: each shard takes it in one step, and all have to have it.

No coordinator: a shard that has it says "duplicate" when it is sent again. What is acknowledged is in every shard; what
is not may be in some, and comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from integration_app.errors import StoreUnfit
from integration_app.model import InboundMessage, Verdict
from integration_app.store.ingest import Accepted, Ingest, Receipt, routes
from integration_app.store.shards.directory import Directory

_TAKEN = (Receipt.STORED, Receipt.DUPLICATE)


class WideIngest:
    """What `Ingest` is, over all shards."""

    def __init__(self, each: Sequence[Ingest], directory: Directory) -> None:
        self._each = each
        self._directory = directory

    def accept(self, message_id: str, message: InboundMessage, verdicts: Sequence[Verdict], **when: Any) -> Accepted:
        """As `Ingest.accept`. Raises `StoreUnfit` too while a user is between two shards."""
        ask = partial(self._one, message_id, message, verdicts, when)
        if message.control:  # for no user
            return ask(0)
        found = self._ask(self._directory.shards(routes(message)), ask)
        if all(row.receipt is Receipt.FOR_NOBODY for _, row in found):
            others = set(range(len(self._each))) - {number for number, _ in found}  # the directory may be behind
            found += self._ask(others, ask)
        return _whole(found, ask)

    def known(self, dedupe_keys: Sequence[str], *, now: datetime) -> list[bool]:
        """As `Ingest.known`, in any shard."""
        return [any(row) for row in zip(*(one.known(dedupe_keys, now=now) for one in self._each), strict=True)]

    def knows(self, dedupe_keys: Sequence[str], *, now: datetime) -> bool:
        return any(self.known(dedupe_keys, now=now))

    def _one(
        self,
        message_id: str,
        message: InboundMessage,
        verdicts: Sequence[Verdict],
        when: dict[str, Any],
        number: int,
        **more: Any,
    ) -> Accepted:
        self._directory.check(number)
        return self._each[number].accept(message_id, message, verdicts, **when, **more)

    def _ask(self, numbers: Iterable[int], ask: _Ask) -> _Answers:
        """What each says. A user who has moved is followed to where they are now, and that shard is asked once more."""
        found = [(number, ask(number)) for number in sorted(numbers)]
        left = [pair for _, row in found for pair in row.elsewhere]
        followed: set[str] = set()
        while left:
            number, name = left.pop()
            if name not in followed:
                followed.add(name)
                more = self._follow(number, name, ask)
                left += [pair for _, row in more for pair in row.elsewhere]
                found += more
        return found

    def _follow(self, number: int, name: str, ask: _Ask) -> _Answers:
        """From shard to shard, to the one from which this user has not moved on."""
        found: _Answers = []
        for _ in range(2 * len(self._each)):
            self._directory.check(number)
            if self._each[number].awaits(name):
                break
            found.append((number, ask(number)))
            onward = [other for other, who in found[-1][1].elsewhere if who == name]
            if not onward:
                return found
            number = onward[0]
        raise StoreUnfit("a user of it is being moved: send it again")


_Ask = Callable[..., Accepted]
_Answers = list[tuple[int, Accepted]]


def _whole(found: _Answers, ask: _Ask) -> Accepted:
    """One answer. Where any has it, one whose users have no room takes it all the same, as a single shard would."""
    over = {number: row for number, row in found if row.receipt is Receipt.OVER_LIMIT}
    taken = [row for _, row in found if row.receipt in _TAKEN]
    if not taken:
        return next(iter(over.values()), Accepted(Receipt.FOR_NOBODY))
    for number, before in over.items():
        row = ask(number, is_limited=False)
        if row.receipt not in _TAKEN or set(row.elsewhere) - set(before.elsewhere):
            raise StoreUnfit("a user of it is being moved: send it again")
        taken.append(row)
    stored = [row for row in taken if row.receipt is Receipt.STORED]
    best = (stored or taken)[0]
    return replace(best, uids=sum(row.uids for row in taken), held=sum(row.held for row in taken), elsewhere=())
