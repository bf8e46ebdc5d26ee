"""`make test-any-day`: the tests in which dates matter, on other days, in other time zones and locales.

The date is shifted for pytest and for every Python process that it starts (tests/shifted). Two days run at a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SELECTION = (
    "tests/unit",
    "tests/test_docs.py",
    "tests/integration/test_cli.py",
    "tests/integration/test_dead_letters.py",
    "tests/integration/test_trust.py",
    "tests/integration/test_events.py",
    "tests/integration/test_tools.py",
    "tests/integration/test_operator.py",
    "tests/providers/test_vendors.py",
    "tests/contract/test_retrying.py",
)
SHIFTED = Path(__file__).resolve().parent / "shifted"
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
UTF8 = {"LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Day:
    """`date`: ISO with an offset, or so many days from now."""

    name: str
    date: str
    zone: str
    locale: dict[str, str]


DAYS = (
    Day("in forty days, east of the date line", "+40", "Pacific/Kiritimati", UTF8),
    Day("a leap day, just before midnight", "2028-02-29T23:59:30+00:00", "UTC", UTF8),
    Day("the night that clocks go forward", "2027-03-28T01:59:50+01:00", "Europe/Berlin", UTF8),
    Day(
        "the night that clocks go back, a zone of half hours, ASCII",
        "2027-11-07T01:59:50-02:30",
        "America/St_Johns",
        ASCII,
    ),
)


def run(day: Day) -> tuple[Day, int, float, str]:
    path = os.pathsep.join(filter(None, (str(SHIFTED), os.environ.get("PYTHONPATH"))))
    env = os.environ | day.locale | {"PYTHONPATH": path, "TEST_DATE": day.date, "TZ": day.zone}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-k", "not agrees and not sdk and not moment", *SELECTION],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return day, done.returncode, time.monotonic() - began, done.stdout


def main() -> int:
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for day, code, seconds, output in pool.map(run, DAYS):
            failed += code != 0
            summary = output.strip().rpartition("\n")[2]
            print(f"{'ok  ' if code == 0 else 'FAIL'}  {day.name} ({day.date}, {day.zone}), {seconds:.0f} s: {summary}")
            if code:
                print(output)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
