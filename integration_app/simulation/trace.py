"""Traces: who wrote how much to whom and when, without a word of it. From a file, or made up.

A trace is JSON lines: `{"at": ISO time, "uid": …, "sender": …, "channel": "sms" | "whatsapp" | "email", "chars": 1…,
"memory": true?}`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 30


@dataclass(frozen=True, slots=True)
class Arrival:
    at: datetime
    uid: str
    sender: str
    channel: str
    chars: int
    memory: bool = False


class TraceError(ValueError):
    """A line that is none; says which and why."""


def read(lines: Iterable[str]) -> Iterator[Arrival]:
    """The arrivals of a file, in any order."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            at = datetime.fromisoformat(row["at"])
            if at.tzinfo is None:
                raise ValueError("the time has no zone")  # noqa: TRY301 - told with the line's number
            yield Arrival(
                at.astimezone(UTC),
                str(row["uid"]),
                str(row.get("sender") or row["uid"]),
                str(row.get("channel", "sms")),
                min(max(int(row.get("chars", 80)), 1), 100_000),
                bool(row.get("memory", False)),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise TraceError(f"line {number}: {error}") from None


def write(arrivals: Iterable[Arrival]) -> Iterator[str]:
    for row in arrivals:
        values = asdict(row) | {"at": row.at.isoformat(timespec="milliseconds")}
        yield json.dumps({name: value for name, value in values.items() if value is not False})


def texter(dice: random.Random) -> Iterator[Arrival]:
    """Texts to herself: bursts of one to six, a few times a day, more on some days; now and then a memory."""
    for day in range(DAYS):
        for _ in range(dice.choice((2, 4, 6, 9, 14))):
            at = START + timedelta(days=day, hours=dice.triangular(6, 23, 18), minutes=dice.uniform(0, 60))
            for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
                yield Arrival(at, "texter", "+15550001111", "sms", dice.randint(10, 160), dice.random() < 0.1)
                at += timedelta(seconds=dice.expovariate(1 / 12))


def forwarder(dice: random.Random) -> Iterator[Arrival]:
    """Forwards mails in two sittings on working days, and whole threads at once on some."""
    for day in range(DAYS):
        if (START + timedelta(days=day)).weekday() >= 5:
            continue
        for hour in (8.5, 17.0):
            at = START + timedelta(days=day, hours=hour, minutes=dice.uniform(0, 45))
            for _ in range(dice.choice((0, 1, 2, 4, 8, 15))):
                yield Arrival(at, "forwarder", "ana@example.com", "email", dice.randint(300, 9000))
                at += timedelta(seconds=dice.uniform(8, 90))


def family(dice: random.Random) -> Iterator[Arrival]:
    """Four phones write to one account, all day, with evenings in which everybody talks at once."""
    for day in range(DAYS):
        for phone in range(4):
            for _ in range(dice.choice((3, 6, 10))):
                at = START + timedelta(days=day, hours=dice.uniform(7, 22))
                for _ in range(dice.choice((1, 1, 2, 4))):
                    yield Arrival(at, "family", f"+1555000222{phone}", "whatsapp", dice.randint(5, 240))
                    at += timedelta(seconds=dice.expovariate(1 / 15))
        if day % 4 == 0:
            at = START + timedelta(days=day, hours=19)
            for _ in range(150):
                yield Arrival(at, "family", f"+1555000222{dice.randrange(4)}", "whatsapp", dice.randint(3, 120))
                at += timedelta(seconds=dice.expovariate(1 / 20))


PROFILES: dict[str, Callable[[random.Random], Iterator[Arrival]]] = {
    "texter": texter,
    "forwarder": forwarder,
    "family": family,
}


def made_up(profile: str, seed: int = 1) -> list[Arrival]:
    """A month of one of the profiles, the same for the same seed."""
    return sorted(PROFILES[profile](random.Random(seed)), key=lambda row: row.at)  # noqa: S311 - made-up messages
