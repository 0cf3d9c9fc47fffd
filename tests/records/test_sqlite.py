"""The SQLite file: its content, and that faults lose no acknowledged data."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records import sql
from consent_mw.records import sqlite
from consent_mw.records.sqlite import file as sqlite_file
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import its_end
from tests.records.samples import seal_all

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the address of an empty SQLite store."""
    return f"sqlite:///{tmp_path}/consent.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of the test's store."""
    return tmp_path / "consent.db"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waiting times."""
    monkeypatch.setattr(sqlite_file, "WAIT", 0.05)
    monkeypatch.setattr(sqlite_file, "READ_WAIT", 0.05)


def rows(file: Path, query: str = "SELECT * FROM ledger ORDER BY receipt, step") -> list[tuple[object, ...]]:
    """Return rows as another program would read them."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


# -- content


def test_a_grant_is_one_row(store: Records, grant: Entry, file: Path) -> None:
    """An auditor can read the ledger without our code: plain texts and numbers, and lists in JSON."""
    store.append(grant)
    seal_all(store)
    assert rows(file) == [
        (
            "site",
            "r" * 22,
            0,
            "partial",
            20_779,
            "0123456789ab",
            '["analytics","marketing"]',
            '["ga","youtube"]',
            1,
            "de",
            "ab" * 32,
            "",
            1,
            0,
        )
    ]


def test_no_table_keeps_an_order_of_arrival(store: Records, file: Path) -> None:
    """There is no rowid that would reveal the order of arrival."""
    tables = rows(file, "SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    assert len(tables) == 6
    for table, definition in tables:
        assert str(definition).endswith("WITHOUT ROWID"), table
        with pytest.raises(sqlite3.OperationalError, match="no such column: rowid"):
            rows(file, f"SELECT rowid FROM {table}")  # noqa: S608 - our own table names


def test_the_file_is_durable_and_clean(store: Records, file: Path) -> None:
    """Commits reach the disk before they return, readers do not wait for writers, and erased data is overwritten."""
    assert isinstance(store, sqlite.SqliteRecords)
    connection = store._writer.connection()
    settings = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    assert settings == ["wal", 2, 1]


def everything(file: Path) -> bytes:
    """Return the bytes of all the store's files: the database and its log."""
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))


@pytest.mark.parametrize("sealed", [False, True])
def test_what_is_erased_is_gone_from_the_disk(store: Records, file: Path, sealed: bool) -> None:
    """No byte of an erased entry is left in the file, its log or its index."""
    for number in range(50):
        store.append(a_grant(f"canary-{number}"))
    store.append(its_end(a_grant("canary-7")))
    if sealed:
        seal_all(store)
    assert b"canary-7" in everything(file)
    store.erase("canary-7", DAY)
    assert (b"canary-7" in everything(file), b"canary-8" in everything(file)) == (False, True)


def test_what_retention_took_is_gone_from_the_disk(store: Records, file: Path) -> None:
    """No byte of a purged entry is left, nor its leaf."""
    for number in range(50):
        store.append(a_grant(f"canary-{number}"))
    leaf = seal_all(store).leaves[0]  # type: ignore[index]
    store.purge(DAY + 1)
    assert (b"canary" in everything(file), leaf in everything(file)) == (False, False)


def test_what_is_erased_while_somebody_reads_is_told(
    store: Records, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader of an older snapshot prevents truncating the log: the erasure succeeds, and a warning is logged."""
    monkeypatch.setattr(sqlite, "WAIT", 0.05)
    store.append(a_grant("canary"))
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM ledger").fetchall()
        assert store.erase("canary", DAY) == 1
    assert "until the next erasure: Others read the records." in caplog.text
    assert b"canary" in everything(file)
    store.append(a_grant("other"))
    store.erase("other", DAY)
    assert b"canary" not in everything(file)


def test_an_erasure_counts_where_the_log_cannot_be_emptied(
    store: Records, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure after the rows are deleted is logged for the owner, and is not an error for the visitor."""
    store.append(a_grant("canary"))
    erased = store._transaction  # type: ignore[attr-defined]

    @contextmanager
    def then_closed(*, alone: bool) -> Iterator[object]:
        with erased(alone=alone) as session:
            yield session
        store.close()

    monkeypatch.setattr(store, "_transaction", then_closed)
    assert store.erase("canary", DAY) == 1
    assert "are closed" in caplog.text
    assert rows(file) == []


# -- files of older versions


def old_file(file: Path, entries: list[tuple[str, int, int, str]], learned: str = "ga") -> None:
    """Create a file of the first version from (receipt, step, day, action)."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript((ROOT / "consent_mw/records/2026-11-22-ledger.sql").read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA application_id = {sqlite.SqliteRecords.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        insert = "INSERT INTO ledger VALUES (?, ?, ?, ?, 'rev', ?, '[\"ga\"]', 1, 'de', 'abc')"
        for receipt, step, day, action in entries:
            purposes = '["analytics","marketing"]' if action != "withdraw" else "[]"
            connection.execute(insert, (receipt, step, day, action, purposes))
        connection.execute("INSERT INTO learned VALUES (?, 5)", (learned,))
        connection.commit()


def test_an_old_file_is_taken_over(url: str, file: Path) -> None:
    """Grants and withdrawals of the first version keep every field, and are not sealed yet."""
    old_file(file, [("a", 0, 3, "partial"), ("a", 1, 4, "withdraw"), ("b", 0, 3, "accept")])
    store = open_records(url, site="shop")
    granted = Entry(
        "shop",
        "a",
        Act.PARTIAL,
        3,
        "rev",
        frozenset({"analytics", "marketing"}),
        frozenset({"ga"}),
        gpc=True,
        language="de",
        notice="abc",
    )
    ended = replace(granted, act=Act.WITHDRAW, day=4, purposes=frozenset())
    assert store.history("a") == [Kept(granted), Kept(ended)]
    assert (len(store.unsealed(10)), store.learned()) == (3, frozenset({"ga"}))
    assert store.observed() == {of_service("ga"): Occurrence(5, 5)}
    assert seal_all(store, site="shop").size == 3
    store.close()


def acts(store: Records, receipt: str) -> list[tuple[Act, int]]:
    """Return the acts of a receipt, with their days."""
    return [(kept.entry.act, kept.entry.day) for kept in store.history(receipt)]


def test_an_old_receipt_that_ended_twice_ended_once(url: str, file: Path) -> None:
    """The first withdrawal counts; a withdrawal without its grant stays."""
    old_file(file, [("a", 0, 3, "accept"), ("a", 1, 4, "withdraw"), ("a", 2, 5, "withdraw"), ("w", 0, 6, "withdraw")])
    store = open_records(url)
    assert acts(store, "a") == [(Act.ACCEPT, 3), (Act.WITHDRAW, 4)]
    assert acts(store, "w") == [(Act.WITHDRAW, 6)]
    store.close()


def test_an_old_receipt_with_several_grants_keeps_them_all(url: str, file: Path) -> None:
    """The last grant keeps the receipt; earlier ones get other receipts."""
    history = [(0, "partial"), (1, "withdraw"), (2, "accept"), (3, "partial"), (4, "withdraw")]
    old_file(file, [("a", step, step + 3, action) for step, action in history])
    store = open_records(url)
    assert acts(store, "a") == [(Act.PARTIAL, 6), (Act.WITHDRAW, 7)]
    assert acts(store, "a/0") == [(Act.PARTIAL, 3), (Act.WITHDRAW, 4)]
    assert acts(store, "a/2") == [(Act.ACCEPT, 5)]
    store.close()


def test_an_old_file_is_migrated_once(url: str, file: Path) -> None:
    """The command reports the missing steps; the file then opens like any other."""
    old_file(file, [("a", 0, 3, "accept")])
    assert migrate_records(url, site="shop") == list(sqlite.SqliteRecords.MIGRATIONS[1:])
    assert migrate_records(url, site="shop") == []
    assert len(rows(file)) == 1


def test_a_migration_that_fails_leaves_the_old_file(url: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps or none: the first version could still use the file."""
    old_file(file, [("a", 0, 3, "accept")])
    before = rows(file, "SELECT name, sql FROM sqlite_master ORDER BY name")
    broken = "consent_mw.records.sqlite.file.script"
    monkeypatch.setattr(broken, lambda name: f"{sql.script(name)}SELECT * FROM missing;\n")  # noqa: S608
    with pytest.raises(RecordsError, match="no such table: missing"):
        open_records(url)
    assert rows(file, "SELECT name, sql FROM sqlite_master ORDER BY name") == before
    assert rows(file, "PRAGMA user_version") == [(1,)]
    assert [row[:2] for row in rows(file)] == [("a", 0)]


# -- faults

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


@pytest.fixture
def appender(url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a process which keeps appending grants and prints each acknowledged receipt."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, before: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", before + _APPENDER, url, name]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def acknowledged(process: subprocess.Popen[str], count: int | None = None) -> list[str]:
    """Return ``count`` receipts that the process printed, or all until its end; whole lines only."""
    assert process.stdout is not None
    lines = [line.strip() for line in itertools.islice(process.stdout, count) if line.endswith("\n")]
    if count is not None and len(lines) < count:
        pytest.fail(f"the writer ended: {process.communicate()[1]}")
    return lines


@pytest.mark.parametrize("count", [1, 40])
def test_an_acknowledged_grant_survives_kill_9(
    url: str, file: Path, count: int, appender: Callable[..., subprocess.Popen[str]]
) -> None:
    """Two writers are killed during writes: every acknowledged receipt is there, once."""
    writers = [appender(name) for name in ("one", "two")]
    receipts = [acknowledged(writer, count) for writer in writers]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer, given in zip(writers, receipts, strict=True):
        given.extend(acknowledged(writer))
        writer.wait()
    open_records(url).close()
    kept = [receipt for (receipt,) in rows(file, "SELECT receipt FROM ledger")]
    promised = {receipt for given in receipts for receipt in given}
    assert promised <= set(kept)
    assert len(kept) == len(set(kept)) <= len(promised) + len(writers)
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_full_disk_refuses_the_grant(file: Path, appender: Callable[..., subprocess.Popen[str]]) -> None:
    """If a write fails, the grant is refused, and earlier acknowledged grants stay."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    writer = appender("one", limit)
    out, err = writer.communicate(timeout=120)
    assert "RecordsError: The records in" in err
    assert {receipt for (receipt,) in rows(file, "SELECT receipt FROM ledger")} >= set(out.split())
    assert out.split()


@pytest.mark.usefixtures("short_waits")
def test_a_busy_file_refuses_the_grant_and_serves_the_page(
    opened: Callable[[], Records], grant: Entry, file: Path
) -> None:
    """While another process holds the lock, a grant fails within the time limit, and reading works."""
    store = opened()
    store.observe({of_service("ga"): Occurrence(1, 1)})
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsError, match="locked"):
            store.append(grant)
        assert store.learned() == frozenset({"ga"})
        other.execute("ROLLBACK")
    store.append(grant)
    assert len(rows(file)) == 1


@pytest.mark.usefixtures("short_waits")
def test_a_busy_process_refuses_the_grant(opened: Callable[[], Records], grant: Entry) -> None:
    """Threads wait for the writer no longer than the time limit."""
    store = opened()
    assert isinstance(store, sqlite.SqliteRecords)
    with store._writer.lock, pytest.raises(RecordsError, match="busy"):
        store.append(grant)


def test_a_file_that_was_taken_away_is_made_again(
    store: Records, grant: Entry, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Grants are not written into a deleted file: the file is created again, and that is logged."""
    store.append(grant)
    for path in file.parent.iterdir():
        path.unlink()
    store.append(replace(grant, receipt="later"))
    assert [row[1] for row in rows(file)] == ["later"]
    assert "were moved or replaced" in caplog.text


def _exit_by_connections(store: sqlite.SqliteRecords) -> None:
    """Exit with the number of connections that survived the fork."""
    sys.exit(sum(slot._connection is not None for slot in (store._writer, store._reader)))


def test_no_connection_is_carried_across_a_fork(store: Records, grant: Entry) -> None:
    """Both connections are closed before a fork, and reopened when needed."""
    assert isinstance(store, sqlite.SqliteRecords)
    store.append(grant)
    store.learned()
    child = multiprocessing.get_context("fork").Process(target=_exit_by_connections, args=(store,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    store.append(grant)


def test_a_fork_that_python_was_not_told_of_gets_its_own_connection(
    store: Records, grant: Entry, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection of another process is neither used nor closed."""
    assert isinstance(store, sqlite.SqliteRecords)
    store.append(grant)
    inherited = store._writer.connection()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    store.append(replace(grant, receipt="child"))
    assert inherited in sqlite_file._abandoned
    assert store._writer.connection() is not inherited
    assert len(rows(file)) == 2
    sqlite_file._abandoned.remove(inherited)
    inherited.close()


def test_processes_that_start_together_make_one_file(
    file: Path, appender: Callable[..., subprocess.Popen[str]]
) -> None:
    """Several simultaneous first starts do not fail, and create the schema once."""
    writers = [appender(f"w{number}") for number in range(5)]
    firsts = [acknowledged(writer, 1)[0] for writer in writers]
    assert {receipt for (receipt,) in rows(file, "SELECT receipt FROM ledger")} >= set(firsts)


# -- invalid stores


def told(path: Path) -> str:
    """Return the one problem with the setting that ``path`` gives."""
    with pytest.raises(ConfigError) as caught:
        open_records(f"sqlite:///{path}")
    (found,) = caught.value.problems
    assert found.where == "site.records"
    assert "setting records" in found.remedy
    return found.what


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """A missing folder is an error, since the owner may have mistyped it."""
    assert told(tmp_path / "missing" / "c.db") == f"The folder {tmp_path / 'missing'} is missing."
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    """A path of a folder is an error."""
    assert told(tmp_path) == f"{tmp_path} is a folder, not a file."


@pytest.mark.parametrize("refused", ["folder", "file"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only folder or file is an error at start-up, not at the first grant."""
    file = tmp_path / "c.db"
    file.touch()
    place = tmp_path if refused == "folder" else file
    # The tests may run as root, who can write anywhere, so fake the refusal of the operating system.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place)
    assert told(file) == f"{place} cannot be written by this process."


def test_a_database_of_another_program_is_told(file: Path) -> None:
    """The application's own database is not used by mistake."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE users (name)")
    assert told(file) == f"{file} is a database of another program."
    assert rows(file, "SELECT name FROM sqlite_master") == [("users",)]


def test_a_file_that_is_no_database_is_told(file: Path) -> None:
    """A file that is not a database raises RecordsError, and is not changed."""
    file.write_text("important notes " * 100, encoding="utf-8")
    with pytest.raises(RecordsError, match=re.escape(f"The records in {file} cannot be used: file is not a database.")):
        open_records(f"sqlite:///{file}")
    assert file.read_text(encoding="utf-8").startswith("important notes")


def test_a_file_of_a_newer_version_is_told(store: Records, file: Path) -> None:
    """An older program does not write into an unknown schema."""
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(sqlite.SqliteRecords.MIGRATIONS) + 1}")
    with pytest.raises(RecordsError, match="newer version of consent_mw"):
        open_records(f"sqlite:///{file}")


def test_a_file_that_becomes_newer_stops_an_older_process(store: Records, file: Path) -> None:
    """A newer version is detected while the process runs, and nothing more is written into the unknown schema."""
    store.append(a_grant("before"))
    assert store.faults() == []
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(sqlite.SqliteRecords.MIGRATIONS) + 1}")
    for call in (store.faults, lambda: store.append(a_grant("after")), lambda: store.history("before")):
        with pytest.raises(RecordsError, match="newer version of consent_mw: update this one"):
            call()


def test_a_path_with_odd_characters_is_taken_literally(tmp_path: Path, grant: Entry) -> None:
    """Spaces, percent signs and question marks in a folder's name are literal."""
    folder = tmp_path / "a b%20?x=#ü"
    folder.mkdir()
    store = open_records(f"sqlite:///{folder}/c.db")
    store.append(grant)
    assert len(rows(folder / "c.db")) == 1
    store.close()
