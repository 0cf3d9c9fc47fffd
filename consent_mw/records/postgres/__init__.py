"""
Records in PostgreSQL 12 or newer, for sites on several machines; needs psycopg 3.

An entry is durable when its append returns: ``synchronous_commit`` is switched on for the session if it is off, and a
server with ``fsync = off`` is refused. Threads that append together share a commit
(:mod:`consent_mw.records.postgres.batches`). The tables are in their own schema, ``consent_mw``, so they can be in the
application's database. Several sites can share them. The ledger is partitioned by the months of its seals
(:mod:`consent_mw.records.postgres.months`).

An operation that a visitor waits for fails after at most :data:`WAIT` seconds, even if the server is frozen.

Poolers. PgBouncer in transaction mode may run each transaction in another session of the server, and what one client
sets in a session is still set for the next. A pooler gives itself away by its greeting, which contains its own process
number instead of that of the backend. Behind a pooler every operation is a transaction that begins with SET LOCAL, no
prepared statement has a name, and no lock outlives its transaction. An append takes three round trips instead of one.

Limits: an erased row leaves its table at once, and the disk when PostgreSQL overwrites it: after the next vacuum, and
when the write-ahead log is recycled. Backups and replicas are the owner's responsibility. A failover to an asynchronous
replica loses the last grants; :meth:`PostgresRecords.faults` names such a server.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict

from consent_mw.core.seal import ENTRY_FORMAT
from consent_mw.core.seal import GRANTS
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.errors import RecordsError
from consent_mw.records import Canonical
from consent_mw.records.postgres import months
from consent_mw.records.postgres import vacuum
from consent_mw.records.postgres.batches import Batches
from consent_mw.records.postgres.pool import Pool
from consent_mw.records.postgres.pool import PooledConnection
from consent_mw.records.remedies import server_remedy
from consent_mw.records.rows import NEW
from consent_mw.records.rows import Row
from consent_mw.records.rows import Value
from consent_mw.records.rows import row_of_entry
from consent_mw.records.rules import check
from consent_mw.records.sql import SqlRecords
from consent_mw.records.sql import script
from consent_mw.records.sql.ledger import IS_UNSEALED
from consent_mw.records.sql.ledger import ORIGINAL
from consent_mw.records.sql.session import Session

__all__ = ["PostgresRecords", "migrate"]

_log = logging.getLogger("consent_mw")

#: Seconds that an operation may take while a visitor waits for it.
WAIT = 0.4
#: Seconds of silence after which sealing, publishing and reading the whole ledger give up, and start-up, too.
SLOW_WAIT = 3.0
#: The same for queries that read thousands of rows at once, and that no visitor waits for.
BULK_WAIT = 60.0
START_WAIT = 5.0

#: The migration steps of the schema; the table ``steps`` lists those that a database has.
MIGRATIONS = (
    "2026-11-22-postgres-1-ledger.sql",
    "2026-11-22-postgres-2-counters.sql",
    "2026-11-29-postgres-3-waiting.sql",
    "2026-11-29-postgres-4-observed.sql",
    "2026-11-29-postgres-5-documents.sql",
    "2026-11-29-postgres-6-months.sql",
)

#: The timeouts keep a statement from running on in the server for long after its caller gave up. Every query has to use
#: an index: without statistics, the planner would scan and sort a large ledger for each page of it.
_SESSION: LiteralString = (
    "SET enable_bitmapscan = off; SET enable_seqscan = off; "
    "SET search_path = consent_mw; SET statement_timeout = '5s'; SET lock_timeout = '3s'; "
    "SET idle_in_transaction_session_timeout = '10s'"
)
_BEGIN: LiteralString = "BEGIN ISOLATION LEVEL READ COMMITTED"
#: The same for a session that a pooler shares among clients, where settings must end with the transaction.
_BEGIN_SHARED: LiteralString = f"{_BEGIN}; {_SESSION.replace('SET ', 'SET LOCAL ')}"
#: Values of synchronous_commit that acknowledge a commit before it is on the disk, or on a synchronous replica.
_EARLY = frozenset({"off", "local"})
_WAIT_FOR_DISK: LiteralString = "SET synchronous_commit = on"


#: The canonical bytes of the entries of a seal (:attr:`consent_mw.core.seal.Entry.canonical`), one line each: JSON
#: contains no bare line feed. A row whose lists are formatted differently from ours gives a line that does not match
#: its leaf; verification then reads the rows one by one.
_CANONICAL = f"""
SELECT string_agg(
    '{{"about":' || to_json(about) || ',"act":' || to_json(act) || ',"day":' || day || ',"format":"{ENTRY_FORMAT}"'
    || ',"gpc":' || CASE gpc WHEN 1 THEN 'true' ELSE 'false' END || ',"language":' || to_json(language)
    || ',"notice":' || to_json(notice) || ',"purposes":' || purposes || ',"receipt":' || to_json(receipt)
    || ',"revision":' || to_json(revision) || ',"services":' || services || ',"site":' || to_json(site) || '}}',
    E'\n' ORDER BY place), count(*), min(place), max(place), count(DISTINCT place), string_agg(DISTINCT notice, ' ')
FROM ledger WHERE site = ? AND seal = ?
"""  # noqa: S608 - a constant of ours


class _Unsafe(RecordsError):
    """The server can lose acknowledged writes."""


class PostgresRecords(SqlRecords):
    """
    The records of ``site`` in the database at ``url``; missing tables are created, unless it takes no ``writes``.

    Raises:
        ConfigError: if the URL is not valid, or the server can lose acknowledged writes.
        RecordsError: if the server does not answer, or the tables belong to another version.
    """

    def __init__(self, url: str, *, site: str = "site", writes: bool = True) -> None:
        super().__init__(site)
        self._database = _Database(url, writes=writes)
        self._key = _lock_key(f"site {site}")
        self._batches = Batches(self._send)
        try:
            self._database.start()
        except _Unsafe as error:
            self._database.close()
            raise ConfigError([Problem("site.records", str(error), "Set fsync = on in its postgresql.conf.")]) from None
        except BaseException:
            self._database.close()
            raise

    @contextmanager
    def _reading(self, *, slow: bool = False) -> Iterator[Session]:
        with self._database.lend(SLOW_WAIT if slow else WAIT, patient=slow) as link:
            yield _Session(link)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._database.lend(WAIT) as link:
            yield _Session(link)

    @contextmanager
    def _transaction(self, *, alone: bool) -> Iterator[Session]:
        key = self._key if alone else None
        with self._database.lend(SLOW_WAIT, patient=True, transaction=True) as link:
            if key is not None:
                link.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
            yield _Session(link)

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """Write an entry unless it was erased; entries of threads that arrive together share one commit."""
        if marks:
            super().append(entry, marks)
            return
        check(entry, self.site)
        self._batches.append(entry, WAIT)

    def _send(self, entries: Sequence[Entry], wait: float) -> None:
        """Commit entries within ``wait`` seconds, all or none."""
        with self._database.lend(wait) as link:
            if len(entries) == 1:
                statement, values = self._insertion(entries[0], ORIGINAL)
                _Session(link).change(statement, *values)
                return
            first = min(self._first_month(entry) for entry in entries)
            columns = [list(column) for column in zip(*map(row_of_entry, entries), strict=True)]
            link.execute(_batch(first), columns)

    # -- partitions: see consent_mw.records.postgres.months

    _open_table = "ledger_open"
    _unseal = "seal = NULL, place = NULL, month = 0"

    def _insertion(self, entry: Entry, conflict: str) -> tuple[str, Row]:
        statement, values = super()._insertion(entry, conflict)
        first = self._first_month(entry)
        return months.unless_sealed(statement, first), (*values, self.site, entry.receipt, entry.step)

    @staticmethod
    def _first_month(entry: Entry) -> int:
        """Return the first month in which an entry may be sealed already."""
        return max(months.month_of(entry.day - months.SLACK), 1) if entry.act in GRANTS else 1

    def _marking(self, session: Session, seal: Seal) -> str:
        month = months.place_for(session, seal.day, _SCHEMA)
        into = f", month = {month}" if month else ""
        return f"UPDATE ledger SET seal = ?, place = ?{into} {IS_UNSEALED} AND month = 0"  # noqa: S608 - a number

    def purge(self, before: int) -> int:
        """Drop the months that are due, and the entries of the other seals dated before that day; return the number."""
        dropped = 0
        with self._reading(slow=True) as session:
            due = months.droppable(session, self.site, before)
        for month in due:
            try:
                with self._database.lend(BULK_WAIT, patient=True, transaction=True) as link:
                    link.execute("SELECT pg_advisory_xact_lock(%s)", (self._key,))
                    dropped += months.drop(_Session(link), self.site, month)
            except RecordsError as error:
                # A query is reading the ledger: delete row by row now, and drop the partition the next time.
                _log.info("the partition of %d is not dropped now: %s", month, error)
        return dropped + super().purge(before)

    def canonical(self, number: int) -> Canonical | None:
        """Return the entries of a seal, joined to one text by the server: an eighth of the time of reading the rows."""
        with self._database.lend(BULK_WAIT, patient=True, transaction=True) as link:
            link.execute("SET LOCAL statement_timeout = 0")
            ((joined, size, first, last, places, notices),) = _Session(link).rows(_CANONICAL, self.site, number)
        if not isinstance(joined, str) or (first, last, places) != (0, int(size or 0) - 1, size):
            return None
        return Canonical(joined.encode().split(b"\n"), frozenset(str(notices).split(" ")) - {""})

    def faults(self) -> list[str]:
        """Return the risk of losing acknowledged grants: asynchronous replicas, one of which may take over."""
        query = (
            "SELECT current_setting('fsync'), current_setting('synchronous_standby_names'), "
            "(SELECT count(*) FROM pg_stat_replication WHERE coalesce(state, 'streaming') = 'streaming')"
        )
        with self._database.lend(WAIT) as link:
            ((fsync, names, replicas),) = link.execute(query).fetchall()
        if fsync != "on":
            self._database.drop()  # each new connection detects it and is refused
            return [_forgets(self._database.name)]
        self._database.check_version()
        if names or not replicas:
            return []
        many = f"{replicas} replicas" if replicas != 1 else "a replica"
        return [
            f"The PostgreSQL server of {self._database.name} has {many} and waits for none: a failover loses the "
            "grants that had not arrived there. Set synchronous_standby_names."
        ]

    def clock(self) -> float | None:
        """Return the time of the server."""
        with self._reading() as session:
            ((micros,),) = session.rows("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int(micros or 0) / 1_000_000

    def _wipe(self, days: Collection[int] | None = None, *, patient: bool = False) -> None:
        """Vacuum the tables from which rows were deleted."""
        try:
            with self._database.lend(SLOW_WAIT) as link:
                tables = vacuum.tables_of(_Session(link), days)
            with self._database.lend_bare(vacuum.WAIT if patient else SLOW_WAIT) as link:
                vacuum.vacuum(link, tables)
        except RecordsError as error:
            _log.warning("what was erased stays on the disk until the next vacuum: %s", error)

    def close(self) -> None:
        """Close this process's connections; further calls raise RecordsError."""
        self._database.close()


def migrate(url: str) -> list[str]:
    """
    Migrate the tables in the database at ``url``, and return the names of the steps taken.

    Raises:
        ConfigError: as :class:`PostgresRecords` does.
        RecordsError: if the server does not answer, or the tables belong to a newer version.
    """
    database = _Database(url)
    try:
        return database.migrate()
    finally:
        database.close()


class _Database:
    """The database at ``url``: connections, schema, and errors without passwords and receipts."""

    def __init__(self, url: str, *, writes: bool = True) -> None:
        try:
            params = conninfo_to_dict(url)
            plain = "@" not in str(params.get("host")) and str(params.get("port", 0)).replace(",", "").isdigit()
        except psycopg.ProgrammingError:
            plain = False
        if not plain:
            # libpq's message may contain a part of the password, if it misjudged where the password ends.
            what = "PostgreSQL cannot read this address."
            remedy = 'Write records = "postgresql://user:password@host/database", with %40 for an @ in a password.'
            raise ConfigError([Problem("site.records", what, remedy)])
        self.name = f"{params.get('host') or 'local'}/{params.get('dbname') or params.get('user') or ''}"
        self._pool = Pool(params if writes else {"target_session_attrs": "any", **params}, self._set_up)
        self._writes = writes
        self._closed = False
        #: The error for every further call, once a newer version has migrated the tables.
        self._newer = ""

    @contextmanager
    def lend(self, wait: float, *, patient: bool = False, transaction: bool = False) -> Iterator[PooledConnection]:
        """
        Lend a connection with our settings, and turn any failure into RecordsError.

        Args:
            transaction: Whether the block is one transaction; an exception closes the connection, which undoes it.
        """
        with self.lend_bare(wait, patient=patient) as link:
            if not (transaction or link.shared):
                yield link
                return
            link.execute(link.begin)
            yield link
            link.execute("COMMIT")

    @contextmanager
    def lend_bare(self, wait: float, *, patient: bool = False) -> Iterator[PooledConnection]:
        """Lend a connection for statements that cannot be in a transaction; behind a pooler it lacks our settings."""
        if self._closed:
            raise RecordsError(f"The records in {self.name} are closed.")
        if self._newer:
            raise RecordsError(self._newer)
        try:
            with self._pool.lend(wait, patient=patient) as link:
                yield link
        except (psycopg.Error, OSError, OverflowError, ValueError, zlib.error) as error:
            # Not the error itself: its detail may contain a row.
            raise RecordsError(f"The records in {self.name} cannot be used: {_plain(error)}") from None

    def close(self) -> None:
        self._closed = True
        self._pool.close()

    def drop(self) -> None:
        """Close the idle connections, so that the server is checked again."""
        self._pool.drop()

    def check_version(self) -> None:
        """
        Raise if the tables belong to a newer version by now; after that, every call raises.

        Raises:
            RecordsError: if a newer version migrated the tables while this process was running.
        """
        with self.lend(WAIT) as link:
            try:
                self._missing(link)
            except RecordsError as error:
                self._newer = str(error)
                raise

    def start(self) -> None:
        """Create missing tables; raise if they belong to another version."""
        with self.lend(START_WAIT, transaction=True) as link:
            missing = self._missing(link)
            if len(missing) == len(MIGRATIONS) and self._writes:
                self._take_steps(link)
            elif missing and not self._writes:
                raise RecordsError(f"The server of {self.name} has no records of this version.")
            elif missing:
                raise RecordsError(
                    f"The records in {self.name} were written by an older version of consent_mw: "
                    "run consent-mw records migrate."
                )

    def migrate(self) -> list[str]:
        """Run the missing migration steps."""
        with self.lend(START_WAIT, transaction=True) as link:
            link.until = float("inf")  # a step may take minutes on a large ledger
            taken = self._take_steps(link)
        self._move()
        return taken

    def _move(self) -> None:
        """Move sealed entries into their months, one seal in a transaction; interrupted, it continues the next time."""
        last, moved = ("", 0), 0
        while True:
            with self.lend(BULK_WAIT, patient=True, transaction=True) as link:
                found = months.unmoved(_Session(link), last, 100)
            for site, number, day in found:
                with self.lend(BULK_WAIT, patient=True, transaction=True) as link:
                    session = _Session(link)
                    session.rows("SELECT pg_advisory_xact_lock(?)", _lock_key(f"site {site}"))
                    moved += months.move_seal(session, site, number, months.place_for(session, day, _SCHEMA))
                last = site, number
            if not found:
                break
        if moved:
            with self.lend_bare(BULK_WAIT, patient=True) as link:
                link.execute("VACUUM consent_mw.ledger_open")

    def _take_steps(self, link: PooledConnection) -> list[str]:
        link.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA,))
        link.execute("SET LOCAL statement_timeout = 0")
        missing = self._missing(link)  # another process may have done it meanwhile
        if missing and not _found(link, "pg_namespace WHERE nspname = 'consent_mw'"):
            link.execute("CREATE SCHEMA consent_mw")
        if len(missing) == len(MIGRATIONS):
            link.execute("CREATE TABLE steps (name TEXT PRIMARY KEY)")
        for name in missing:
            link.execute(script(name).encode())
            link.execute("INSERT INTO steps (name) VALUES (%s)", (name,))
        return missing

    def _missing(self, link: PooledConnection) -> list[str]:
        """Return the steps that the database does not have."""
        # Read the system catalogue: names are resolved through a cache, which learns of new tables only when a
        # transaction begins or locks a table. It would miss tables that were created while we waited for our lock.
        if not _found(link, "pg_tables WHERE schemaname = 'consent_mw' AND tablename = 'steps'"):
            return list(MIGRATIONS)
        taken = {name for (name,) in link.execute("SELECT name FROM steps")}
        if taken - set(MIGRATIONS):
            raise RecordsError(
                f"The records in {self.name} were written by a newer version of consent_mw: update this one."
            )
        return [name for name in MIGRATIONS if name not in taken]

    def _set_up(self, link: PooledConnection) -> None:
        query = "SELECT pg_backend_pid(), current_setting('fsync'), current_setting('synchronous_commit')"
        ((backend, fsync, commit),) = link.execute(query).fetchall()
        if fsync != "on":
            raise _Unsafe(_forgets(self.name))
        link.shared = backend != link.pgconn.backend_pid
        if link.shared:
            link.prepare_threshold = None
            link.begin = _BEGIN_SHARED
            if commit in _EARLY:
                link.begin = f"{_BEGIN_SHARED}; {_WAIT_FOR_DISK.replace('SET ', 'SET LOCAL ')}"
        else:
            link.begin = _BEGIN
            link.execute(_SESSION)
            if commit in _EARLY:
                link.execute(_WAIT_FOR_DISK)


class _Session:
    """A connection, lent for the work of one method."""

    def __init__(self, link: PooledConnection) -> None:
        self._link = link

    def rows(self, statement: str, *values: Value) -> list[Row]:
        return self._link.execute(_own_marks(statement), values).fetchall()

    def change(self, statement: str, *values: Value) -> int:
        return self._link.execute(_own_marks(statement), values).rowcount

    def change_all(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        every = list(rows)
        if not every:
            return 0
        with self._link.cursor() as cursor:
            cursor.executemany(_own_marks(statement), every)
            return cursor.rowcount


@lru_cache(maxsize=64)
def _own_marks(statement: str) -> LiteralString:
    """Convert the placeholders to psycopg's; all statements are our own."""
    return statement.replace("?", "%s")


def _found(link: PooledConnection, what: LiteralString) -> bool:
    return bool(link.execute("SELECT 1 FROM " + what + " LIMIT 1").fetchall())  # noqa: S608


def _lock_key(name: str) -> int:
    """Return PostgreSQL's number for an advisory lock; the application may use other locks."""
    digest = hashlib.sha256(b"consent_mw " + name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


#: The lock for changes of the schema.
_SCHEMA = _lock_key("schema")


@lru_cache(maxsize=64)
def _batch(first: int) -> LiteralString:
    """Return the insertion of many entries, whose columns are arrays, unless they are sealed in that month or later."""
    # A subquery for each row, since a join could read a whole month to find a few.
    there = (
        f"(SELECT 1 FROM ledger AS kept WHERE kept.site = new.site AND kept.receipt = new.receipt "  # noqa: S608
        f"AND kept.step = new.step AND kept.month >= {first} LIMIT 1) IS NULL"
    )
    arrays = ", ".join("%s::integer[]" if name in ("step", "day", "gpc") else "%s::text[]" for name in NEW.split(", "))
    return _own_marks(
        f"INSERT INTO ledger_open AS ledger ({NEW}) SELECT * FROM unnest({arrays}) AS new ({NEW}) "  # noqa: S608
        f"WHERE {there} ON CONFLICT {ORIGINAL}"
    )


def _forgets(name: str) -> str:
    return f"The PostgreSQL server of {name} runs with fsync = off: it loses what it acknowledged."


def _plain(error: Exception) -> str:
    """Return the first line of PostgreSQL's message, without the detail, and what to do."""
    text = (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
    return f"{text}.{server_remedy(text)}"
