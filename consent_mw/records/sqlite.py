"""
Records in one SQLite file: the embedded store, enough for one machine.

The ledger is written in WAL mode with ``synchronous=FULL``: a commit returns
after its bytes are on the disk, so an acknowledged grant survives ``kill -9``
and a power cut, as far as the disk keeps its word. Each process has one
connection for writing and one for reading, so that no page waits for a
writer. A connection is never carried across a fork.

Limits: the file must be on a local disk, since WAL needs memory that all of its
processes share (SQLite documentation, "Write-Ahead Logging", section 2.2).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import weakref
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from importlib import resources
from threading import Lock

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.errors import RecordsError
from consent_mw.records.sql import Row
from consent_mw.records.sql import Session
from consent_mw.records.sql import SqlRecords
from consent_mw.records.sql import Value

__all__ = ["SqliteRecords"]

_log = logging.getLogger("consent_mw")

#: Seconds that a write waits for the writers of other processes, and for those of this one.
WAIT = 2.0
#: Seconds that the start waits, when other processes make the file and write into it.
START_WAIT = 30.0
#: Seconds for which SQLite itself waits before we try again. Left alone it backs off to 100 ms, and then hardly ever
#: meets the short gap that a busy writer leaves: next to two of those a third would starve.
TRY = 0.002
#: Seconds that a page waits to read; in WAL mode it hardly ever does.
READ_WAIT = 0.25

#: "cmw1" in the file's header, so that a file of another program is not written into.
APPLICATION_ID = 0x636D7731
#: The schema, step by step; a file's user_version counts the steps that it has.
MIGRATIONS = ("2026-11-22-ledger.sql", "2026-11-22-seals-and-counters.sql")


class _Foreign(RecordsError):
    """The file is a database, and not one of ours."""


class SqliteRecords(SqlRecords):
    """
    The records of ``site`` in the file ``path``; a file of an older version is brought up to date.

    Raises:
        ConfigError: the file cannot be made, or belongs to another program.
        RecordsError: the file is there and cannot be used.
    """

    def __init__(self, path: str, *, site: str = "site") -> None:
        super().__init__(site)
        self.path = os.path.abspath(path)
        self._closed = False
        self._writer = _Slot(self.path, site, WAIT)
        self._reader = _Slot(self.path, site, READ_WAIT)
        _check_folder(self.path)
        # Nothing stays open: a server that loads the site before it forks has no connection to hand on.
        try:
            with _told(self.path):
                _connect(self.path, site, START_WAIT).close()
        except _Foreign as error:
            remedy = "Name a file of its own in the setting records."
            raise ConfigError([Problem("site.records", str(error), remedy)]) from None
        _stores.add(self)

    def close(self) -> None:
        """Close this process's connections; further calls raise RecordsError."""
        self._closed = True
        for slot in (self._writer, self._reader):
            with slot.lock:
                slot.drop()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with self._using(self._reader) as connection:
            yield _Session(connection, READ_WAIT)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._using(self._writer) as connection:
            # A file has one writer at a time anyway. Whatever fails closes the connection, which rolls back.
            _run(connection, WAIT, "BEGIN IMMEDIATE")
            yield _Session(connection, WAIT)
            _run(connection, WAIT, "COMMIT")

    _alone = _writing

    def _wipe(self) -> None:
        """Empty the write-ahead log: secure_delete has overwritten the rows in the file, but not there."""
        with self._using(self._writer) as connection:
            until = time.monotonic() + WAIT
            # As long as somebody reads an older state the log must stay; the next wipe takes it along.
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > until:
                    _log.warning("what was erased is in %s-wal until nobody reads the records", self.path)
                    return

    @contextmanager
    def _using(self, slot: _Slot) -> Iterator[sqlite3.Connection]:
        """Lend the connection of ``slot``, and turn whatever fails into RecordsError."""
        if self._closed:
            raise RecordsError(f"The records in {self.path} are closed.")
        if not slot.lock.acquire(timeout=slot.wait):
            raise RecordsError(f"The records in {self.path} are busy.")
        try:
            with _told(self.path):
                yield slot.connection()
        except BaseException:
            slot.drop()  # what state it is in is unknown: the next caller starts afresh
            raise
        finally:
            slot.lock.release()


class _Session:
    """A connection, with the seconds that a statement waits for others."""

    def __init__(self, connection: sqlite3.Connection, wait: float) -> None:
        self._connection = connection
        self._wait = wait

    def rows(self, statement: str, *values: Value) -> list[Row]:
        return _run(self._connection, self._wait, statement, *values).fetchall()

    def change(self, statement: str, *values: Value) -> int:
        return _run(self._connection, self._wait, statement, *values).rowcount

    def change_all(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        # Only inside a transaction, where nobody is in the way; without rows sqlite3 counts none as -1 or 0.
        return max(self._connection.executemany(statement, rows).rowcount, 0)


class _Slot:
    """One connection of one process, made when it is needed; used under ``lock``."""

    def __init__(self, path: str, site: str, wait: float) -> None:
        self.path = path
        self.site = site
        self.wait = wait
        self.lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = 0

    def connection(self) -> sqlite3.Connection:
        """Return the connection, made anew where the file was replaced: SQLite would go on writing to the lost one."""
        if self._connection is not None and self._process != os.getpid():
            _abandoned.append(self._connection)
            self._connection = None
        if self._connection is not None and _identity(self.path) != self._file:
            _log.warning("the records in %s were moved or replaced while the site was running", self.path)
            self.drop()
        if self._connection is None:
            self._connection = _connect(self.path, self.site, self.wait)
            self._file = _identity(self.path)
            self._process = os.getpid()
        return self._connection

    def drop(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _check_folder(path: str) -> None:
    """Raise where no file can be made at ``path``."""
    folder = os.path.dirname(path)
    remedy = "Make the folder and let this process write there, or name another file in the setting records."
    if os.path.isdir(path):
        raise ConfigError([Problem("site.records", f"{path} is a folder, not a file.", remedy)])
    if not os.path.isdir(folder):
        raise ConfigError([Problem("site.records", f"The folder {folder} is missing.", remedy)])
    # SQLite makes two more files beside the database, so the folder must be writable even if the file exists.
    for place in (folder, path):
        if os.path.exists(place) and not os.access(place, os.W_OK):
            raise ConfigError([Problem("site.records", f"{place} cannot be written by this process.", remedy)])


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: str, site: str, wait: float) -> sqlite3.Connection:
    """Open ``path`` and make it ready; every statement is a transaction of its own unless one is begun."""
    until = time.monotonic() + wait
    while True:
        connection = sqlite3.connect(path, timeout=TRY, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, site)
        except BaseException as error:
            connection.close()
            if not _is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(TRY)
        else:
            return connection


def _run(connection: sqlite3.Connection, wait: float, statement: str, *values: Value) -> sqlite3.Cursor:
    """Run one statement, trying again for ``wait`` seconds while others are in the way."""
    until = time.monotonic() + wait
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise


def _is_busy(error: BaseException) -> bool:
    """Return whether another connection was in the way (the low byte is the primary result code)."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _prepare(connection: sqlite3.Connection, path: str, site: str) -> None:
    """Set the connection up, and bring the file's schema up to date."""
    if _foreign(connection):
        raise _Foreign(f"{path} is a database of another program.")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        _log.warning("the file system of %s cannot do write-ahead logging: pages may wait for records", path)
    connection.execute("PRAGMA synchronous = FULL")
    # What is erased must be gone from the file too.
    connection.execute("PRAGMA secure_delete = ON")
    steps = _steps(connection)
    if steps > len(MIGRATIONS):
        raise RecordsError(f"The records in {path} were written by a newer version of consent_mw: update this one.")
    if steps < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for name in MIGRATIONS[_steps(connection) :]:  # another process may have been faster
                for statement in _statements(resources.files(__package__).joinpath(name).read_text(encoding="utf-8")):
                    connection.execute(statement, {"site": site})
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _foreign(connection: sqlite3.Connection) -> bool:
    """Return whether the file has tables, and none of ours."""
    # In this order: another process may make the tables, and mark the file with them, between the two.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(tables) and application != APPLICATION_ID


def _steps(connection: sqlite3.Connection) -> int:
    (steps,) = connection.execute("PRAGMA user_version").fetchone()
    return int(steps)


def _statements(script: str) -> Iterator[str]:
    """Split a script; executescript would commit what came before it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn an error of SQLite into one that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, ValueError, zlib.error) as error:
        raise RecordsError(f"The records in {path} cannot be used: {error}.") from error


# A connection in a child would share its locks with the parent's without holding them, which corrupts the file
# (SQLite documentation, "How To Corrupt An SQLite Database File", section 2.6): all are closed before a fork.
# A server that forks without telling Python leaves a connection behind; it is neither used nor closed.

_abandoned: list[sqlite3.Connection] = []
_stores: weakref.WeakSet[SqliteRecords] = weakref.WeakSet()
_forking: list[_Slot] = []


def _before_fork() -> None:
    for store in list(_stores):
        for slot in (store._writer, store._reader):
            slot.lock.acquire()
            slot.drop()
            _forking.append(slot)


def _after_fork() -> None:
    while _forking:
        _forking.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
