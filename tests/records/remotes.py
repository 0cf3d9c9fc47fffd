"""Stores on "another machine" that a test can take away, freeze and fill, for what must hold meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from consent_mw.records import open_records

#: The stores that there are.
KINDS = ("sqlite",)


class Remote(Protocol):
    """A store that a test can take away and give back."""

    url: str

    def down(self) -> None:
        """Take it away: whoever asks fails."""

    def up(self) -> None:
        """Give it back, with what it has acknowledged."""

    def freeze(self) -> None:
        """Let it hang: whoever asks waits."""

    def thaw(self) -> None:
        """Let it go on."""

    def refuse(self, receipt: str) -> None:
        """Let it refuse entries whose receipt is like that (``%`` stands for any text)."""

    def take(self) -> None:
        """Let it take everything again."""


class SqliteRemote:
    """A SQLite file that is moved away, or kept busy by another program."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "remote.db"
        self.url = f"sqlite:///{self.file}"
        self._busy: sqlite3.Connection | None = None
        open_records(self.url).close()

    def down(self) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.file.rename(self.file.with_suffix(".away"))
        self.file.write_text("no database " * 100, encoding="utf-8")

    def up(self) -> None:
        self.file.unlink()
        self.file.with_suffix(".away").rename(self.file)

    def freeze(self) -> None:
        self._busy = sqlite3.connect(self.file, isolation_level=None)
        self._busy.execute("BEGIN IMMEDIATE")

    def thaw(self) -> None:
        assert self._busy is not None
        self._busy.close()

    def refuse(self, receipt: str) -> None:
        self._change(
            "CREATE TRIGGER refuse BEFORE INSERT ON ledger "
            f"WHEN NEW.receipt LIKE '{receipt}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

    def take(self) -> None:
        self._change("DROP TRIGGER refuse")

    def _change(self, statement: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(statement)
            connection.commit()


@contextmanager
def remote_of(kind: str, folder: Path) -> Iterator[Remote]:
    """Start a store of that kind, and stop it at the end."""
    assert kind == "sqlite"
    yield SqliteRemote(folder)
