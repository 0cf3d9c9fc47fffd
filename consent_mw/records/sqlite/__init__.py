"""
Records in one SQLite file: the embedded store, enough for one machine.

Limits: those of :mod:`consent_mw.records.sqlite.file`; one process writes at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import AbstractContextManager

from consent_mw.errors import RecordsError
from consent_mw.records.sql import SqlRecords
from consent_mw.records.sql.session import Session
from consent_mw.records.sqlite.file import WAIT
from consent_mw.records.sqlite.file import SqliteFile

__all__ = ["SqliteRecords", "migrate"]

_log = logging.getLogger("consent_mw")


class SqliteRecords(SqliteFile, SqlRecords):
    """The records of ``site`` in the file ``path``."""

    APPLICATION_ID = 0x636D7731  # "cmw1"
    MIGRATIONS = (
        "2026-11-22-ledger.sql",
        "2026-11-22-seals-and-counters.sql",
        "2026-11-29-observed.sql",
        "2026-11-29-documents.sql",
    )
    SETTING = "records"
    CONTENT = "The records"
    RENEWED = "Then restore a backup: consent-mw ledger restore FILE."

    def _transaction(self, *, alone: bool) -> AbstractContextManager[Session]:
        """Lend a transaction; a file has one writer at a time anyway."""
        return self._changing()

    def faults(self) -> list[str]:
        """Return nothing, or raise if a newer version migrated the file while this process was running."""
        self.check_version()
        return []

    def _wipe(self, days: Collection[int] | None = None, *, patient: bool = False) -> None:
        """Empty the write-ahead log: secure_delete has overwritten the rows in the file, but not there."""
        until = time.monotonic() + WAIT
        try:
            with self._using(self._writer) as connection:
                # While a reader uses an older snapshot the log cannot be truncated; the next wipe does it.
                while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    if time.monotonic() > until:
                        self._left("Others read the records.")
                        break
        except RecordsError as error:
            self._left(str(error))

    def _left(self, why: str) -> None:
        _log.warning("what was erased stays in %s-wal until the next erasure: %s", self.path, why)


def migrate(path: str, *, site: str) -> list[str]:
    """Open the file, which migrates it, and return the names of the migration steps that it lacked."""
    store = SqliteRecords(path, site=site)
    store.close()
    return store.taken
