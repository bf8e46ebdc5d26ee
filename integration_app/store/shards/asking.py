"""One store over all shards, and the ways of asking them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError

from integration_app.store.shards.directory import Directory

Way = Callable[["Wide", str, Any, Any], Any]
"""`way(wide, method, args, kwargs)`: ask whom it concerns."""


class Wide:
    """One store, over all shards. `each`: that of every shard, in their order. A method that `ways` does not name is an
    error: none goes to the wrong shard unnoticed.
    """

    def __init__(self, each: Sequence[Any], ways: Mapping[str, Way], directory: Directory) -> None:
        self.each = each
        self.directory = directory
        self._ways = ways

    def __getattr__(self, name: str) -> Any:
        if not callable(setting := getattr(self.each[0], name)):
            return setting  # the same in each
        try:
            way = self._ways[name]
        except KeyError:
            store = type(self.each[0]).__name__
            raise AttributeError(f"{store}.{name}: nothing says which shard it concerns") from None
        return lambda *args, **kwargs: way(self, name, args, kwargs)

    def ask(self, number: int, name: str, args: Any, kwargs: Any) -> Any:
        return getattr(self.each[number], name)(*args, **kwargs)

    def ask_all(self, name: str, args: Any, kwargs: Any) -> list[Any]:
        return [self.ask(number, name, args, kwargs) for number in range(len(self.each))]


# --- one shard ----------------------------------------------------------------------------------------------------


def first(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """What belongs to no user lies in the first."""
    return wide.ask(0, name, args, kwargs)


def user(place: int = 0) -> Way:
    """The shard of the user whose uid is this argument."""

    def ask(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
        return wide.ask(wide.directory.of(args[place]), name, args, kwargs)

    return ask


def known_user(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Of the user whose uid comes first. None for one who is nowhere, and not for one who has just left."""
    number = wide.directory.of(args[0])
    answer = wide.ask(number, name, args, kwargs)
    if answer is None:
        wide.directory.check_here(args[0], number)
    return answer


def changed(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """That of the user whose uid comes first, for what changes something there; not done where they have left it."""
    number = wide.directory.of(args[0])
    answer = wide.ask(number, name, args, kwargs)
    wide.directory.check_here(args[0], number)
    return answer


def owner(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """That of the user whose delivery or lease it is."""
    return wide.ask(wide.directory.of(args[0].uid), name, args, kwargs)


def finder(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Whichever has it."""
    answer = None
    for number in range(len(wide.each)):
        if answer := wide.ask(number, name, args, kwargs):
            return answer
    return answer


# --- all of them --------------------------------------------------------------------------------------------------


def every(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """In each; the first's answer stands for all."""
    return wide.ask_all(name, args, kwargs)[0]


def merged(merge: Callable[[list[Any]], Any]) -> Way:
    def ask(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
        return merge(wide.ask_all(name, args, kwargs))

    return ask


def of_those_there(merge: Callable[[list[Any]], Any]) -> Way:
    """For looking, not for deciding: one that is away takes nothing of the others with it."""

    def ask(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
        answers, away = [], None
        for number in range(len(wide.each)):
            try:
                answers.append(wide.ask(number, name, args, kwargs))
            except (RedisError, OSError) as error:
                away = error
        if away is not None and not answers:
            raise away
        return merge(answers)

    return ask
