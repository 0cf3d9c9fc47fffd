"""
The spool's file: a local ledger of entries that the remote store has not accepted yet.

It is a ledger like any other: it gives the same guarantees, and if the store never comes back, the same tools can read
it. An entry with Act.ERASE is not a tombstone here: it names a receipt that must be erased in the store, too, and
``about`` is the number of the mark that this leaves there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass

from consent_mw.core.counts import Count
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.records.sqlite import SqliteRecords

__all__ = ["SpoolFile", "SpoolStatus"]


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """
    The content of a spool.

    Args:
        entries: Grants, and ends of grants.
        oldest: The day of the oldest of them, or None.
        notices: Notices that the entries refer to.
        erasures: Receipts that must be erased in the store as well.
        counts: Distinct anonymous counts.
    """

    entries: int
    oldest: int | None
    notices: int
    erasures: int
    counts: int = 0


class SpoolFile(SqliteRecords):
    """The spool of ``site`` in the file ``path``; the processes of one machine share it."""

    SETTING = "spool"
    CONTENT = "The spooled records"
    RENEWED = "Then start the site, which makes a new one, and try: consent-mw spool take, with the old file."

    def empty(self) -> bool:
        """Return whether the spool is empty."""
        query = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE site = ?" for table in ("ledger", "notices", "counts"))  # noqa: S608
        with self._reading() as session:
            return not session.rows(f"{query} LIMIT 1", self.site, self.site, self.site)

    def waiting(self) -> Iterator[Entry]:
        """Yield the spooled entries, by receipt and step, one page at a time."""
        return (kept.entry for kept in self.entries() if kept.entry.act is not Act.ERASE)

    def digests(self) -> list[str]:
        """Return the hashes of the spooled notices."""
        with self._reading() as session:
            found = session.rows("SELECT digest FROM notices WHERE site = ?", self.site)
        return [str(digest) for (digest,) in found]

    def drop(self, entries: Sequence[Entry]) -> None:
        """Delete entries that the store has accepted."""
        keys = [(self.site, entry.receipt, entry.step, entry.act.value) for entry in entries]
        if keys:
            query = "DELETE FROM ledger WHERE site = ? AND receipt = ? AND step = ? AND act = ?"
            with self._changing() as session:
                session.change_all(query, keys)

    def drop_notice(self, digest: str) -> None:
        """Delete a notice that the store has accepted."""
        with self._writing() as session:
            session.change("DELETE FROM notices WHERE site = ? AND digest = ?", self.site, digest)

    def drop_before(self, day: int) -> int:
        """Delete entries dated before that day, and return their number."""
        query = "DELETE FROM ledger WHERE site = ? AND day < ? AND act <> ?"
        with self._writing() as session:
            return session.change(query, self.site, day, Act.ERASE.value)

    def take_counts(self) -> dict[Count, int]:
        """Remove the spooled counts, and return them."""
        query = "SELECT day, dimension, value, outcome, total FROM counts WHERE site = ?"
        with self._changing() as session:
            rows = session.rows(query, self.site)
            session.change("DELETE FROM counts WHERE site = ?", self.site)
        return {
            Count(day, str(table), str(value), str(outcome)): total
            for day, table, value, outcome, total in rows
            if isinstance(day, int) and isinstance(total, int)
        }

    # -- erasure

    def forget(self, receipt: str, day: int, mark: str = "") -> None:
        """Delete the entries of a receipt, and note that it must be erased in the store as well, leaving the mark."""
        noted = (
            "INSERT INTO ledger (site, receipt, step, act, day, revision, purposes, services, gpc, language, notice, "
            "about) VALUES (?, ?, 0, ?, ?, '', '[]', '[]', 0, '', '', ?)"
        )
        with self._changing() as session:
            session.change("DELETE FROM ledger WHERE site = ? AND receipt = ?", self.site, receipt)
            session.change(noted, self.site, receipt, Act.ERASE.value, day, mark)
        self.wipe()

    def to_erase(self) -> list[Entry]:
        """Return an entry for each receipt that must be erased in the store."""
        return [kept.entry for kept in self.entries() if kept.entry.act is Act.ERASE]

    def wipe(self) -> None:
        """Remove the traces of deleted rows from the file, as far as possible."""
        self._wipe()

    # -- mutual exclusion

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Yield whether this is the only process and thread inside; the lock is released when a process dies."""
        # The lock is on a separate file: one on the spool would block grants. The short timeout lets one of two
        # simultaneous callers win instead of none.
        with closing(sqlite3.connect(self.path + "-replay", timeout=0.1, isolation_level=None)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                yield False
                return
            yield True
