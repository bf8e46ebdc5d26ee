"""What has been sent where: a small SQLite file, so that an import can be stopped, resumed and repeated.

An item is written down before the call and ticked off after it; one that was begun and never ticked off is looked up.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self

_TABLE = """
CREATE TABLE IF NOT EXISTS sent (
  place TEXT NOT NULL, key TEXT NOT NULL, done INTEGER NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (place, key)
)
"""


class Ledger:
    """`place` names the account, so that one file serves several."""

    def __init__(self, path: Path, place: str) -> None:
        self._place = place
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def state(self, key: str) -> str | None:
        """None, "begun" or "done"."""
        row = self._db.execute("SELECT done FROM sent WHERE place = ? AND key = ?", (self._place, key)).fetchone()
        return None if row is None else ("done" if row[0] else "begun")

    def begin(self, keys: list[str]) -> None:
        rows = [(self._place, key) for key in keys]
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO sent (place, key, done) VALUES (?, ?, 0)", rows)

    def done(self, keys: list[str]) -> None:
        with self._db:
            self._db.executemany(
                "UPDATE sent SET done = 1 WHERE place = ? AND key = ?", [(self._place, key) for key in keys]
            )

    def forget(self, keys: list[str]) -> None:
        """It is certain that these were not stored."""
        with self._db:
            self._db.executemany("DELETE FROM sent WHERE place = ? AND key = ?", [(self._place, key) for key in keys])
