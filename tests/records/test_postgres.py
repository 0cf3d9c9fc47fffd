"""PostgreSQL: faults neither lose acknowledged data nor block callers, and schema versions are detected."""

from __future__ import annotations

import gc
import itertools
import os
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Kept
from consent_mw.core.seal import in_order
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records import postgres
from consent_mw.records.postgres import pool as postgres_pool
from consent_mw.records.sql import SqlRecords
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import in_processes
from tests.records.samples import next_seal
from tests.records.samples import seal_all
from tests.records.servers import Postgres
from tests.records.servers import binaries
from tests.records.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's initdb is not on this machine")


@pytest.fixture
def url(server: Callable[[str], Postgres]) -> str:
    """Return the address of an empty PostgreSQL database."""
    return server("postgres").fresh()


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """Return a server that a test may freeze and kill."""
    started = Postgres()
    yield started
    started.stop()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Run a query as another program would, and return its rows."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=consent_mw,public") as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def sessions(url: str) -> list[int]:
    """Return the server's processes that serve stores of this database."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'consent_mw' AND datname = current_database()"
    return [int(str(pid)) for (pid,) in rows(url, query)]


def idle(store: Records) -> list[postgres_pool.PooledConnection]:
    """Return the store's idle connections."""
    return list(store._database._pool._state.idle)  # type: ignore[attr-defined]


# -- faults


def failing(call: Callable[[], object]) -> str:
    """Return the store's error message; if the call waited for a frozen server, it would never come."""
    with pytest.raises(RecordsError) as caught:
        call()
    return str(caught.value)


@pytest.mark.slow
def test_a_frozen_server_holds_nobody_up(own: Postgres) -> None:
    """Open connections, new ones and a store without any fail soon, and work again when the server does."""
    store = open_records(own.fresh())
    store.append(a_grant("before"))
    own.freeze()
    try:
        said = [failing(lambda: store.append(a_grant("meanwhile"))) for _ in range(4)]
        said.append(failing(lambda: store.history("before")))
    finally:
        own.thaw()
    assert all("cannot be used: it does not answer" in one for one in said)
    store.append(a_grant("after"))
    receipts = {kept.entry.receipt for kept in store.entries()}
    store.close()
    assert {"before", "after"} <= receipts <= {"before", "meanwhile", "after"}


@pytest.mark.slow
def test_a_store_goes_on_after_a_restart(own: Postgres) -> None:
    """A killed server fails calls at once; when it is back, the same store has all acknowledged entries."""
    store = open_records(own.fresh())
    store.append(a_grant("before"))
    own.kill()
    try:
        assert "Connection refused" in failing(lambda: store.append(a_grant("meanwhile")))
    finally:
        own.start()
    store.append(a_grant("after"))
    assert [kept.entry.receipt for kept in store.entries()] == ["after", "before"]
    store.close()


_APPENDER = """
import sys
from consent_mw.core.seal import Act, Entry
from consent_mw.records import open_records
store = open_records(sys.argv[1])
for number in range(1_000_000):
    receipt = f"{sys.argv[2]}-{number}"
    store.append(Entry("site", receipt, Act.ACCEPT, 20_779, "0" * 12, frozenset({"analytics"}), frozenset({"ga"})))
    print(receipt, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["writers", "server"])
def test_an_acknowledged_grant_survives_kill_9(own: Postgres, killed: str) -> None:
    """Writers or the server are killed during writes: every acknowledged receipt is there, once."""
    url = own.fresh()
    command = [sys.executable, "-c", _APPENDER, url]
    pipe = subprocess.PIPE
    writers = [
        subprocess.Popen([*command, name], cwd=ROOT, text=True, stdout=pipe, stderr=subprocess.DEVNULL)
        for name in ("one", "two")
    ]
    given = []
    for writer in writers:
        assert writer.stdout is not None
        given += list(itertools.islice(writer.stdout, 100))
    if killed == "server":
        own.kill()
    for writer in writers:
        writer.kill()
        given += writer.communicate()[0].splitlines(keepends=True)
    if killed == "server":
        own.start()
    store = open_records(url)
    kept = [entry.entry.receipt for entry in store.entries()]
    store.close()
    promised = {line.strip() for line in given if line.endswith("\n")}
    assert promised <= set(kept)
    assert len(kept) == len(set(kept)) <= len(promised) + len(writers)


def test_a_server_that_forgets_is_refused() -> None:
    """Without fsync an acknowledged grant may be lost in a power failure: start-up fails and names the setting."""
    forgetful = Postgres(fsync="off")
    try:
        with pytest.raises(ConfigError, match="runs with fsync = off") as caught:
            open_records(forgetful.fresh())
    finally:
        forgetful.stop()
    assert [found.where for found in caught.value.problems] == ["site.records"]


def test_a_commit_waits_for_the_disk(url: str) -> None:
    """If the database is configured for asynchronous commits, those of the ledger still wait for the disk."""
    name = url.rpartition("/")[2]
    rows(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert rows(url, "SHOW synchronous_commit") == [("off",)]
    store = postgres.PostgresRecords(url)
    with store._reading() as session:
        assert session.rows("SELECT current_setting('synchronous_commit')") == [("on",)]
    store.close()


def test_a_connection_that_the_server_ended_is_replaced(store: Records, url: str) -> None:
    """If an administrator or a proxy ends idle connections, callers do not notice."""
    store.append(a_grant("before"))
    for pid in sessions(url):
        rows(url, f"SELECT pg_terminate_backend({pid})")
    for link in idle(store):
        assert select.select([link.pgconn.socket], [], [], 30)[0]
    store.append(a_grant("after"))
    assert len(list(store.entries())) == 2


def test_what_goes_wrong_is_told_without_its_row(store: Records, url: str) -> None:
    """PostgreSQL's messages contain the row, but neither our message nor a traceback shows the receipt."""
    rows(url, "ALTER TABLE ledger ADD CHECK (language <> 'de')")
    with pytest.raises(RecordsError, match="violates check constraint") as caught:
        store.append(a_grant("canary"))
    shown = "".join(traceback.format_exception(caught.value))
    assert ("canary" in str(caught.value), "Failing row" in shown) == (False, False)
    store.append(a_grant("other", language="en"))


# -- contention


def test_a_grant_does_not_wait_for_a_seal(store: Records, url: str) -> None:
    """During a sealing transaction others can append, and those that wait for the seal fail in time."""
    store.append(a_grant("sealed"))
    other = postgres.PostgresRecords(url)
    with store._transaction(alone=True) as session:  # type: ignore[attr-defined]
        session.change("UPDATE ledger SET seal = 1, place = 0 WHERE site = ?", "site")
        other.append(a_grant("meanwhile"))
        seen = other.history("sealed")
    other.close()
    assert (seen, len(list(store.entries()))) == ([Kept(a_grant("sealed"))], 2)


def test_one_site_is_sealed_at_a_time(store: Records, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second seal of the same site waits, with a time limit; another site does not."""
    store.append(a_grant("a"))
    waiting = store.unsealed(1)
    seal = next_seal(store, waiting)
    other, elsewhere = postgres.PostgresRecords(url), postgres.PostgresRecords(url, site="elsewhere")
    with other._transaction(alone=True):
        with monkeypatch.context() as short, pytest.raises(RecordsError, match="does not answer in time"):
            short.setattr(postgres, "SLOW_WAIT", 0.2)
            store.add_seal(seal, waiting)
        elsewhere.append(a_grant("b", site="elsewhere"))
        seal_all(elsewhere, site="elsewhere")
    assert store.add_seal(seal, waiting)
    other.close()
    elsewhere.close()


def test_a_process_has_few_connections(store: Records, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there are more callers than connections, they wait, with a time limit."""
    lent = [store._reading() for _ in range(postgres_pool.MOST)]  # type: ignore[attr-defined]
    for one in lent:
        one.__enter__()
    monkeypatch.setattr(postgres, "WAIT", 0.1)  # later: opening them takes longer on a busy machine
    with pytest.raises(RecordsError, match="all connections of this process are busy"):
        store.append(a_grant("a"))
    for one in lent:
        one.__exit__(None, None, None)
    monkeypatch.undo()
    store.append(a_grant("a"))
    assert len(sessions(url)) == postgres_pool.MOST


def test_a_store_that_nobody_closed_leaves_no_connection(store: Records, url: str) -> None:
    """Its connections are closed with it, without a ResourceWarning."""
    dropped = postgres.PostgresRecords(url)
    dropped.last_seal()
    (link,) = idle(dropped)
    del dropped
    gc.collect()
    assert link.closed


def test_a_transaction_that_fails_leaves_nothing(store: Records, url: str) -> None:
    """Its connection is closed, so that no later caller continues in it."""
    with pytest.raises(ZeroDivisionError), store._transaction(alone=True) as session:  # type: ignore[attr-defined]
        session.change("INSERT INTO notices (site, digest, document) VALUES (?, ?, ?)", "site", "ab", b"x")
        _ = 1 / 0
    assert store.notice("ab") is None
    store.keep_notice("ab", b"document")
    assert store.notice("ab") == b"document"


# -- connections and forks


@pytest.mark.parametrize("used", [False, True])
def test_a_closed_store_has_no_connection(store: Records, url: str, used: bool) -> None:
    """Closing disconnects, even if another thread is using the store."""
    store.append(a_grant("a"))
    assert len(sessions(url)) == 1
    with store._reading() if used else nullcontext():  # type: ignore[attr-defined]
        store.close()
    until = time.monotonic() + 30
    while sessions(url) and time.monotonic() < until:
        time.sleep(0.02)
    assert sessions(url) == []


def test_a_connection_that_comes_late_is_for_the_next_caller(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If connecting takes longer than a visitor waits, the connection is kept for the next caller."""
    store = open_records(url)
    store._database._pool.drop()  # type: ignore[attr-defined]
    monkeypatch.setattr(postgres, "WAIT", 0.1)
    connect = postgres_pool.PooledConnection.connect

    def far_away(**params: Any) -> postgres_pool.PooledConnection:
        time.sleep(0.5)
        return connect(**params)

    monkeypatch.setattr(postgres_pool.PooledConnection, "connect", far_away)
    with pytest.raises(RecordsError, match="does not answer in time"):
        store.append(a_grant("a"))
    until = time.monotonic() + 30
    while not idle(store) and time.monotonic() < until:
        time.sleep(0.02)
    monkeypatch.setattr(postgres, "WAIT", 5.0)
    store.append(a_grant("a"))
    assert len(sessions(url)) == 1
    store.close()


def _session_of(store: Records) -> int:
    with store._reading() as session:  # type: ignore[attr-defined]
        return int(session.rows("SELECT pg_backend_pid()")[0][0])


def _exit_unless_apart(number: int, store: Records, parents: int) -> None:
    sys.exit(_session_of(store) == parents)


def test_no_connection_is_carried_across_a_fork(store: Records) -> None:
    """Parent and children use separate connections."""
    assert in_processes(2, _exit_unless_apart, store, _session_of(store)) == [0, 0]


def test_a_fork_that_python_was_not_told_of_gets_its_own_connection(
    store: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection of another process is neither used nor closed."""
    before = _session_of(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert _session_of(store) != before
    (inherited,) = postgres_pool._abandoned[-1:]
    assert not inherited.closed
    # The connection opened as another process is now one of another process too.
    store.close()
    while postgres_pool._abandoned:
        postgres_pool._abandoned.pop().close()


# -- the schema and its versions


def test_the_tables_are_in_a_schema_of_their_own(url: str) -> None:
    """The application's database can be used: its table of the same name is not touched."""
    rows(url, "CREATE TABLE public.ledger (x INTEGER)")
    store = open_records(url)
    store.append(a_grant("a"))
    store.close()
    assert rows(url, "SELECT * FROM public.ledger") == []
    assert rows(url, "SELECT receipt FROM consent_mw.ledger") == [("a",)]


def test_a_schema_that_an_administrator_made_is_used(url: str) -> None:
    """A user without the right to create a schema can use an empty one."""
    rows(url, "CREATE SCHEMA consent_mw")
    store = open_records(url)
    store.keep_notice("ab", b"document")
    store.close()


def _open(number: int, url: str) -> None:
    store = open_records(url)
    store.append(a_grant(f"{number}"))


def test_processes_that_start_together_make_one_schema(url: str) -> None:
    """Several simultaneous first starts do not fail, and create the tables once."""
    assert in_processes(5, _open, url) == [0] * 5
    assert rows(url, "SELECT count(*) FROM ledger") == [(5,)]


def as_older(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Make the store one of an older version, which had the ledger in one table."""
    patch.setattr(postgres, "MIGRATIONS", postgres.MIGRATIONS[:steps])
    for name in ("_open_table", "_unseal", "_insertion", "_marking"):
        patch.setattr(postgres.PostgresRecords, name, getattr(SqlRecords, name))


def test_an_older_schema_is_migrated_by_the_command(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site does not change existing tables at start-up: it says what to run, and the migration keeps the data."""
    with monkeypatch.context() as patch:
        as_older(patch, steps=1)
        old = open_records(url)
        old.append(a_grant("a"))
        seal = seal_all(old)
        old.append(a_grant("b"))
        old.close()
        rows(url, "INSERT INTO consent_mw.learned VALUES ('site', 'ga', 5)")
    with pytest.raises(RecordsError, match="older version of consent_mw: run consent-mw records migrate"):
        open_records(url)
    assert migrate_records(url) == list(postgres.MIGRATIONS[1:])
    assert migrate_records(url) == []
    new = open_records(url)
    assert list(new.entries()) == [Kept(a_grant("a"), 1, 0), Kept(a_grant("b"))]
    assert (new.seals(), new.observed(), new.counts(DAY)) == ([seal], {of_service("ga"): Occurrence(5, 5)}, {})
    new.close()


def test_a_migration_that_fails_leaves_the_old_schema(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps or none."""
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "MIGRATIONS", postgres.MIGRATIONS[:1])
        open_records(url).close()
    rows(url, "CREATE TABLE figures (in_the_way INTEGER)")
    with pytest.raises(RecordsError, match='relation "figures" already exists'):
        migrate_records(url)
    assert rows(url, "SELECT name FROM steps") == [("2026-11-22-postgres-1-ledger.sql",)]
    assert rows(url, "SELECT to_regclass('consent_mw.counts')") == [(None,)]


def test_migrating_an_empty_database_makes_the_schema(url: str) -> None:
    """The command may run before the first start."""
    assert migrate_records(url) == list(postgres.MIGRATIONS)
    open_records(url).close()


@pytest.mark.parametrize("use", [open_records, migrate_records])
def test_a_newer_schema_is_told(url: str, use: Callable[[str], object]) -> None:
    """An older program does not write into tables that it does not know."""
    open_records(url).close()
    rows(url, "INSERT INTO steps VALUES ('2099-01-01-later.sql')")
    with pytest.raises(RecordsError, match="newer version of consent_mw: update this one"):
        use(url)


def test_sealing_leaves_no_order_of_arrival(store: Records, url: str) -> None:
    """Rows are on the disk in the order of their seal, written by one transaction."""
    for number in range(300):
        store.append(a_grant(f"{number:03}"))
    expected = [entry.receipt for entry in in_order(store.unsealed(1_000))]
    seal_all(store)
    store._wipe()  # type: ignore[attr-defined]
    assert [receipt for (receipt,) in rows(url, "SELECT receipt FROM ledger ORDER BY ctid")] == expected
    assert rows(url, "SELECT count(DISTINCT xmin::text) FROM ledger") == [(1,)]


def test_reading_follows_an_index_from_the_start(store: Records, url: str) -> None:
    """Without statistics, the planner would otherwise sort a large ledger for each page of it."""
    queries = [
        "SELECT act FROM ledger WHERE site = 'site' AND (receipt, step) > ('a', 0) ORDER BY receipt, step LIMIT 999",
        "SELECT receipt FROM ledger WHERE site = 'site' AND seal IS NULL ORDER BY receipt, step LIMIT 9",
        "SELECT receipt FROM ledger WHERE site = 'site' AND seal = 1",
        "SELECT total FROM counts WHERE site = 'site' AND day < 9",
        "SELECT cells FROM figures WHERE site = 'site' AND first_day <= 9 AND last_day >= 9 ORDER BY name, first_day",
    ]
    fields = "'site', md5(n::text), 0, 'accept', 1, repeat('r', 12), '[]', '[]', 0, 'de', repeat('n', 64), ''"
    rows(url, f"INSERT INTO ledger SELECT {fields}, nullif(n % 9, 0) FROM generate_series(1, 60000) AS n")  # noqa: S608
    with store._reading(slow=True) as session:  # type: ignore[attr-defined]
        plans = ["\n".join(line for (line,) in session.rows(f"EXPLAIN {query}")) for query in queries]
    assert [plan for plan in plans if "Sort" in plan or "Seq Scan" in plan or "Index" not in plan] == []


# -- invalid stores


def test_the_short_scheme_is_the_same(url: str) -> None:
    """Addresses with postgres:// are common."""
    open_records(url.replace("postgresql://", "postgres://")).close()


@pytest.mark.parametrize(
    "rest",
    [
        "user:secret@127.0.0.1:port/x",
        "user:pa@sec:ret@h/x",
        "user:pa@secret@h/x",
        "h/x?password=secret&unknown=1",
        "u:%zzsecret@h/x",
    ],
)
def test_an_address_that_cannot_be_read_is_told_without_showing_it(rest: str) -> None:
    """No part of a password is in the message or in a traceback."""
    with pytest.raises(ConfigError) as caught:
        open_records(f"postgresql://{rest}")
    shown = "".join(traceback.format_exception(caught.value))
    assert [found.where for found in caught.value.problems] == ["site.records"]
    assert ("sec" in shown, "%40 for an @" in shown) == (False, True)


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    """If nothing listens, the message contains the address, but not the password."""
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/shop"
    with pytest.raises(RecordsError, match=r"The records in 127\.0\.0\.1/shop cannot be used: .*refused") as caught:
        open_records(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_database_that_is_not_there_is_told(url: str) -> None:
    """The owner sees the server's message."""
    with pytest.raises(RecordsError, match='database "missing" does not exist'):
        open_records(url.rpartition("/")[0] + "/missing")
