"""
The spool's file: a local ledger of what the remote store has not taken yet.

It is a ledger like any other. It keeps the same promises, and the same tools can read it should the store never come
back. An entry with Act.ERASE is not a tombstone here: it notes that its receipt must be erased in the store, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.records.sqlite import SqliteRecords

__all__ = ["SpoolFile"]


class SpoolFile(SqliteRecords):
    """The spool of ``site`` in the file ``path``; the processes of one machine share it."""

    SETTING = "spool"
    CONTENT = "The spooled records"

    def empty(self) -> bool:
        """Return whether nothing waits."""
        query = "SELECT 1 FROM ledger WHERE site = ? UNION ALL SELECT 1 FROM notices WHERE site = ? LIMIT 1"
        with self._reading() as session:
            return not session.rows(query, self.site, self.site)

    def waiting(self) -> Iterator[Entry]:
        """Yield the entries that wait, by receipt and step, a page at a time."""
        return (kept.entry for kept in self.entries() if kept.entry.act is not Act.ERASE)

    def digests(self) -> list[str]:
        """Return the hashes of the notices that wait."""
        with self._reading() as session:
            found = session.rows("SELECT digest FROM notices WHERE site = ?", self.site)
        return [str(digest) for (digest,) in found]

    def drop(self, entries: Sequence[Entry]) -> None:
        """Forget entries that need not wait any more."""
        keys = [(self.site, entry.receipt, entry.step, entry.act.value) for entry in entries]
        if keys:
            query = "DELETE FROM ledger WHERE site = ? AND receipt = ? AND step = ? AND act = ?"
            with self._changing() as session:
                session.change_all(query, keys)

    def drop_notice(self, digest: str) -> None:
        """Forget a notice that need not wait any more."""
        with self._writing() as session:
            session.change("DELETE FROM notices WHERE site = ? AND digest = ?", self.site, digest)

    def drop_before(self, day: int) -> int:
        """Forget entries of days before that one, and return how many there were."""
        query = "DELETE FROM ledger WHERE site = ? AND day < ? AND act <> ?"
        with self._writing() as session:
            return session.change(query, self.site, day, Act.ERASE.value)

    # -- erasure

    def forget(self, receipt: str, day: int) -> None:
        """Forget the entries of a receipt, and note that it is to be erased over there as well."""
        noted = (
            "INSERT INTO ledger (site, receipt, step, act, day, revision, purposes, services, gpc, language, notice, "
            "about) VALUES (?, ?, 0, ?, ?, '', '[]', '[]', 0, '', '', '')"
        )
        with self._changing() as session:
            session.change("DELETE FROM ledger WHERE site = ? AND receipt = ?", self.site, receipt)
            session.change(noted, self.site, receipt, Act.ERASE.value, day)
        self.wipe()

    def to_erase(self) -> list[Entry]:
        """Return an entry for each receipt that is to be erased over there."""
        return [kept.entry for kept in self.entries() if kept.entry.act is Act.ERASE]

    def wipe(self) -> None:
        """Do what can be done so that nothing remains in the file of what was dropped."""
        self._wipe()

    # -- one at a time

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Yield whether no other process or thread is inside; one that dies is not."""
        # A lock on a file of its own: one on the spool would keep grants out. It is waited for a little, since two that
        # come at the same moment get in each other's way, and one of them has to stay.
        with closing(sqlite3.connect(self.path + "-replay", timeout=0.1, isolation_level=None)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                yield False
                return
            yield True
