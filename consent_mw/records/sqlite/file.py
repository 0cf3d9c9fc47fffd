"""
One SQLite file, shared safely by threads, processes and forks.

It is in WAL mode with ``synchronous=FULL``: a commit returns after its bytes are on the disk, so that acknowledged data
survives ``kill -9`` and a power failure, if the disk honours a sync. Each process has one connection for writing and
one for reading, so that no page waits for a writer. No connection crosses a fork.

Limits: the file must be on a local disk, since WAL needs shared memory between its processes (SQLite documentation,
"Write-Ahead Logging", section 2.2).
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
from threading import Lock
from typing import ClassVar

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.errors import RecordsError
from consent_mw.records.remedies import file_remedy
from consent_mw.records.rows import Row
from consent_mw.records.rows import Value
from consent_mw.records.sql import script

__all__ = ["SqliteFile"]

_log = logging.getLogger("consent_mw")

#: Seconds that a write waits for other writers, in this and other processes.
WAIT = 2.0
#: Seconds that start-up waits while other processes create the file and write to it.
START_WAIT = 30.0
#: Seconds for which SQLite itself waits before we retry. Its own back-off grows to 100 ms and then rarely hits the
#: short gaps between the transactions of busy writers: two of them would starve a third.
TRY = 0.002
#: Seconds that a page waits to read; in WAL mode this is rare.
READ_WAIT = 0.25


class _Foreign(RecordsError):
    """The file is a database of another program."""


class SqliteFile:
    """
    The database in the file ``path``; it is created if it is missing, and migrated if it has an older version.

    Each kind of file has a subclass that defines the application id in its header, so that the file of another program
    is not overwritten; the steps of its schema (a file's user_version counts the steps that it has); the setting with
    its path; and a name for its content, for error messages.

    Args:
        site: Bound to ``:site`` in the steps of the schema.

    Raises:
        ConfigError: if the file cannot be created, or belongs to another program.
        RecordsError: if the file exists and cannot be used.
    """

    APPLICATION_ID: ClassVar[int]
    MIGRATIONS: ClassVar[tuple[str, ...]]
    SETTING: ClassVar[str]
    CONTENT: ClassVar[str]
    #: What to do once a damaged file is out of the way, as a sentence.
    RENEWED: ClassVar[str] = "Then start the site, which makes a new one."

    def __init__(self, path: str, *, site: str = "site") -> None:
        self.path = os.path.abspath(path)
        self.site = site
        #: The migration steps that the file lacked when it was opened.
        self.taken: list[str] = []
        self._closed = False
        self._writer = _Slot(self, WAIT)
        self._reader = _Slot(self, READ_WAIT)
        self._check_folder()
        # Keep nothing open: a server that loads the site before it forks must not share a connection with its children.
        try:
            with self._store_errors():
                self._connect(START_WAIT).close()
        except _Foreign as error:
            remedy = f"Name a file of its own in the setting {self.SETTING}."
            raise ConfigError([Problem(f"site.{self.SETTING}", str(error), remedy)]) from None
        _files.add(self)

    @contextmanager
    def _reading(self, *, slow: bool = False) -> Iterator[SqliteSession]:
        """Lend a session for reading, without a transaction; reads are quick here."""
        with self._using(self._reader) as connection:
            yield SqliteSession(connection, READ_WAIT)

    @contextmanager
    def _writing(self) -> Iterator[SqliteSession]:
        """Lend a session for one statement; it is durable when the block ends."""
        with self._using(self._writer) as connection:
            yield SqliteSession(connection, WAIT)

    @contextmanager
    def _changing(self) -> Iterator[SqliteSession]:
        """Lend a session that is one transaction; an exception inside rolls it back."""
        with self._using(self._writer) as connection:
            # A file has only one writer at a time anyway. Any failure closes the connection, which rolls back.
            _run(connection, WAIT, "BEGIN IMMEDIATE")
            yield SqliteSession(connection, WAIT)
            _run(connection, WAIT, "COMMIT")

    def check_version(self) -> None:
        """
        Raise if the file belongs to a newer version by now; every call that opens it again raises, too.

        Raises:
            RecordsError: if a newer version migrated the file while this process was running.
        """
        with self._using(self._reader) as connection:
            newer = _steps(connection) > len(self.MIGRATIONS)
        if newer:
            for slot in (self._writer, self._reader):
                with slot.lock:
                    slot.drop()
            with self._using(self._reader):
                pass  # opening it raises

    def close(self) -> None:
        """Close this process's connections; further calls raise RecordsError."""
        self._closed = True
        for slot in (self._writer, self._reader):
            with slot.lock:
                slot.drop()

    @contextmanager
    def _using(self, slot: _Slot) -> Iterator[sqlite3.Connection]:
        """Lend the connection of ``slot``, and turn any failure into RecordsError."""
        if self._closed:
            raise RecordsError(f"{self.CONTENT} in {self.path} are closed.")
        if not slot.lock.acquire(timeout=slot.wait):
            raise RecordsError(f"{self.CONTENT} in {self.path} are busy.")
        try:
            with self._store_errors():
                yield slot.connection()
        except BaseException:
            slot.drop()  # its state is unknown: the next caller gets a new one
            raise
        finally:
            slot.lock.release()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Turn an error of SQLite into one that names the file."""
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError, ValueError, zlib.error) as error:
            remedy = file_remedy(error, self.path, self.RENEWED)
            raise RecordsError(f"{self.CONTENT} in {self.path} cannot be used: {error}.{remedy}") from error

    def _check_folder(self) -> None:
        """Raise if no file can be created."""
        path, where = self.path, f"site.{self.SETTING}"
        folder = os.path.dirname(path)
        remedy = (
            f"Make the folder and let this process write there, or name another file in the setting {self.SETTING}."
        )
        if os.path.isdir(path):
            raise ConfigError([Problem(where, f"{path} is a folder, not a file.", remedy)])
        if not os.path.isdir(folder):
            raise ConfigError([Problem(where, f"The folder {folder} is missing.", remedy)])
        # SQLite creates two more files next to the database, so the folder must be writable even if the file exists.
        for place in (folder, path):
            if os.path.exists(place) and not os.access(place, os.W_OK):
                raise ConfigError([Problem(where, f"{place} cannot be written by this process.", remedy)])

    def _connect(self, wait: float) -> sqlite3.Connection:
        """Open and prepare the file; without an explicit transaction, every statement is its own."""
        until = time.monotonic() + wait
        while True:
            connection = sqlite3.connect(self.path, timeout=TRY, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException as error:
                connection.close()
                if not _is_busy(error) or time.monotonic() > until:
                    raise
                time.sleep(TRY)
            else:
                return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set up the connection, and migrate the file's schema."""
        if self._foreign(connection):
            raise _Foreign(f"{self.path} is a database of another program.")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            _log.warning("the file system of %s cannot do write-ahead logging: pages may wait for it", self.path)
        connection.execute("PRAGMA synchronous = FULL")
        # Overwrite erased rows in the file.
        connection.execute("PRAGMA secure_delete = ON")
        steps = _steps(connection)
        if steps > len(self.MIGRATIONS):
            raise RecordsError(
                f"{self.CONTENT} in {self.path} were written by a newer version of consent_mw: update this one."
            )
        if steps < len(self.MIGRATIONS):
            connection.execute("BEGIN IMMEDIATE")
            try:
                missing = self.MIGRATIONS[_steps(connection) :]  # another process may have done it meanwhile
                for statement in _statements("".join(map(script, missing))):
                    connection.execute(statement, {"site": self.site})
                connection.execute(f"PRAGMA application_id = {self.APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {len(self.MIGRATIONS)}")
                connection.execute("COMMIT")
                self.taken.extend(missing)
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _foreign(self, connection: sqlite3.Connection) -> bool:
        """Return whether the file has tables, but not ours."""
        # In this order, since another process may create the tables and set the application id in between.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        return bool(tables) and application != self.APPLICATION_ID


class SqliteSession:
    """A connection, with the seconds that a statement waits for other writers."""

    def __init__(self, connection: sqlite3.Connection, wait: float) -> None:
        self._connection = connection
        self._wait = wait

    def rows(self, statement: str, *values: Value) -> list[Row]:
        return _run(self._connection, self._wait, statement, *values).fetchall()

    def change(self, statement: str, *values: Value) -> int:
        return _run(self._connection, self._wait, statement, *values).rowcount

    def change_all(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        # Only inside a transaction, where nothing blocks; without rows sqlite3 reports -1 or 0.
        return max(self._connection.executemany(statement, rows).rowcount, 0)


class _Slot:
    """One connection of one process, opened on first use; used under ``lock``."""

    def __init__(self, file: SqliteFile, wait: float) -> None:
        self.file = file
        self.wait = wait
        self.lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = 0

    def connection(self) -> sqlite3.Connection:
        """Return the connection; reopen it if the file was replaced: SQLite would keep writing to the old one."""
        if self._connection is not None and self._process != os.getpid():
            _abandoned.append(self._connection)
            self._connection = None
        if self._connection is not None and _identity(self.file.path) != self._file:
            _log.warning(
                "%s in %s were moved or replaced while the site was running", self.file.CONTENT, self.file.path
            )
            self.drop()
        if self._connection is None:
            self._connection = self.file._connect(self.wait)
            self._file = _identity(self.file.path)
            self._process = os.getpid()
        return self._connection

    def drop(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _run(connection: sqlite3.Connection, wait: float, statement: str, *values: Value) -> sqlite3.Cursor:
    """Run one statement, and retry for ``wait`` seconds while other connections hold a lock."""
    until = time.monotonic() + wait
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_busy(error: BaseException) -> bool:
    """Return whether another connection held a lock (the low byte is the primary result code)."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _steps(connection: sqlite3.Connection) -> int:
    (steps,) = connection.execute("PRAGMA user_version").fetchone()
    return int(steps)


def _statements(text: str) -> Iterator[str]:
    """Split a script; executescript would commit the open transaction first."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


# A connection in a child would share its locks with the parent's without holding them, which corrupts the file
# (SQLite documentation, "How To Corrupt An SQLite Database File", section 2.6): all are closed before a fork.
# A server that forks without telling Python leaves a connection behind; it is neither used nor closed.

_abandoned: list[sqlite3.Connection] = []
_files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
_forking: list[_Slot] = []


def _before_fork() -> None:
    for file in list(_files):
        for slot in (file._writer, file._reader):
            slot.lock.acquire()
            slot.drop()
            _forking.append(slot)


def _after_fork() -> None:
    while _forking:
        _forking.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
