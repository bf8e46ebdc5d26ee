"""Charts of the operator's pages: what is drawn, and the same as a table for readers who do not see it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 600.0, 120.0
_FILLED = 0.8
"""Of the room of a time: the rest keeps it from the next."""


@dataclass(frozen=True, slots=True)
class Bar:
    """`series` is its place in the legend; `says` what a reader hovers over."""

    series: int
    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`most` is what the full height stands for; `ticks` are the times at the beginning, the middle and the end."""

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    most: int
    ticks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    totals: tuple[int, ...]


def chart(series: Mapping[str, Sequence[int]], *, each: timedelta, until: datetime, joined: int = 1) -> Chart:
    """Counts of equal spans of time, oldest first; `joined` spans make one bar. Times are in `until`'s zone."""
    summed = {name: _joined(values, joined) for name, values in series.items()}
    spans = max(map(len, summed.values()))
    span = each * joined
    starts = [until - span * (spans - number) for number in range(spans)]
    most = max((value for values in summed.values() for value in values), default=0)
    said = "%H:%M" if span < timedelta(hours=2) else "%a %d %b %H:%M"
    room = WIDTH / max(1, spans)
    width = room * _FILLED / max(1, len(summed))
    bars = tuple(
        Bar(
            place,
            round(number * room + place * width, 1),
            round(HEIGHT - value / most * HEIGHT, 1),
            round(width, 1),
            round(value / most * HEIGHT, 1),
            f"{starts[number]:{said}}: {value} {name}",
        )
        for place, (name, values) in enumerate(summed.items())
        for number, value in enumerate(values)
        if value
    )
    rows = tuple(
        (f"{start:{said}}", tuple(values[number] for values in summed.values()))
        for number, start in enumerate(starts)
        if any(values[number] for values in summed.values())
    )
    ticks = tuple(f"{moment:{said}}" for moment in (starts[0], starts[spans // 2], until))
    return Chart(tuple(summed), bars, most, ticks, rows, tuple(map(sum, summed.values())))


def _joined(values: Sequence[int], size: int) -> list[int]:
    return [sum(values[at : at + size]) for at in range(0, len(values), size)]
