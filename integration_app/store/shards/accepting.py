"""Accepting a message for users of several shards: each shard takes it in one step, and all have to have it.

No coordinator: a shard that has it says "duplicate" when it is sent again. What is acknowledged is in every shard; what
is not may be in some, and comes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from integration_app.errors import StoreUnfit
from integration_app.model import InboundMessage, Verdict
from integration_app.store.identity import Identity
from integration_app.store.ingest import Accepted, Ingest, Receipt, routes
from integration_app.store.shards.directory import Directory

_TAKEN = (Receipt.STORED, Receipt.DUPLICATE)


class WideIngest:
    """What `Ingest` is, over all shards."""

    def __init__(self, each: Sequence[Ingest], identities: Sequence[Identity], directory: Directory) -> None:
        self._each = each
        self._identities = list(identities)
        self._directory = directory
        self._is_checked = False

    def accept(self, message_id: str, message: InboundMessage, verdicts: Sequence[Verdict], **when: Any) -> Accepted:
        """As `Ingest.accept`. Raises `StoreUnfit` too while a user is between two shards."""
        self._check_places()
        if message.control:  # for no user
            return self._each[0].accept(message_id, message, verdicts, **when)
        found = self._ask(self._directory.shards(routes(message)), message_id, message, verdicts, when)
        if all(row.receipt is Receipt.FOR_NOBODY for row in found.values()):
            others = set(range(len(self._each))) - found.keys()  # the directory may be behind
            found = self._ask(others, message_id, message, verdicts, when) or found
        return _whole(found, lambda number: self._one(number, message_id, message, verdicts, when, is_limited=False))

    def known(self, dedupe_keys: Sequence[str], *, now: datetime) -> list[bool]:
        """As `Ingest.known`, in any shard."""
        return [any(row) for row in zip(*(one.known(dedupe_keys, now=now) for one in self._each), strict=True)]

    def knows(self, dedupe_keys: Sequence[str], *, now: datetime) -> bool:
        return any(self.known(dedupe_keys, now=now))

    def _ask(self, numbers: Iterable[int], *what: Any) -> dict[int, Accepted]:
        """What each says. A user who has moved is followed to where they are now, and that shard is asked once more."""
        found = {number: self._one(number, *what) for number in sorted(numbers)}
        left = [pair for row in found.values() for pair in row.elsewhere]
        followed: set[str] = set()
        while left:
            number, name = left.pop()
            if name not in followed:
                followed.add(name)
                left += self._follow(number, name, found, what)
        return found

    def _follow(self, number: int, name: str, found: dict[int, Accepted], what: Any) -> list[tuple[int, str]]:
        """From shard to shard, to the one from which this user has not moved on. Returns who else has moved."""
        others: list[tuple[int, str]] = []
        for _ in range(2 * len(self._each)):
            if self._each[number].awaits(name):
                break
            again = self._one(number, *what)
            if number not in found or again.receipt is Receipt.STORED:
                found[number] = again
            others += [pair for pair in again.elsewhere if pair[1] != name]
            onward = [other for other, who in again.elsewhere if who == name]
            if not onward:
                return others
            number = onward[0]
        raise StoreUnfit("a user of it is being moved: send it again")

    def _one(
        self,
        number: int,
        message_id: str,
        message: InboundMessage,
        verdicts: Sequence[Verdict],
        when: dict[str, Any],
        **more: Any,
    ) -> Accepted:
        return self._each[number].accept(message_id, message, verdicts, **when, **more)

    def _check_places(self) -> None:
        """Once: a shard in another's place would find no user of its own."""
        if not self._is_checked:
            for number, identity in enumerate(self._identities):
                identity.check_place(number)
            self._is_checked = True


def _whole(found: dict[int, Accepted], again: Any) -> Accepted:
    """One answer. Where any has it, one whose users have no room takes it all the same, as a single shard would."""
    if any(row.receipt in _TAKEN for row in found.values()):
        found |= {number: again(number) for number, row in found.items() if row.receipt is Receipt.OVER_LIMIT}
    elif over := [row for row in found.values() if row.receipt is Receipt.OVER_LIMIT]:
        return over[0]
    taken = [row for row in found.values() if row.receipt in _TAKEN]
    if not taken:
        return Accepted(Receipt.FOR_NOBODY)
    stored = [row for row in taken if row.receipt is Receipt.STORED]
    best = (stored or taken)[0]
    return replace(best, uids=sum(row.uids for row in taken), held=sum(row.held for row in taken), elsewhere=())
