"""PostgreSQL: the entries of threads that come together are one commit, and each is acknowledged after its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

import psycopg
import pytest

from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records import postgres
from consent_mw.records.postgres.batches import AT_ONCE
from consent_mw.records.postgres.batches import Batches
from tests.records.samples import a_grant
from tests.records.samples import seal_all
from tests.records.servers import Postgres
from tests.records.servers import binaries
from tests.records.test_postgres import rows

pytestmark = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's initdb is not on this machine")


@pytest.fixture
def url(server: Callable[[str], Postgres]) -> str:
    """Return the address of an empty PostgreSQL database."""
    return server("postgres").fresh()


@pytest.fixture
def patient(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    """Return a store that waits for long."""
    monkeypatch.setattr(postgres, "WAIT", 60.0)
    store = open_records(url)
    yield store
    store.close()


def together(store: Records, url: str, entries: list[Entry]) -> list[str]:
    """Append entries in threads while the table is locked, so that all but the first ones wait; return the errors."""
    errors: list[str] = []

    def append(entry: Entry) -> None:
        try:
            store.append(entry)
        except RecordsError as error:
            errors.append(f"{entry.receipt}: {error}")

    first = [threading.Thread(target=append, args=(a_grant(f"first-{number}"),)) for number in range(AT_ONCE)]
    then = [threading.Thread(target=append, args=(entry,)) for entry in entries]
    queue = store._batches._queue  # type: ignore[attr-defined]
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE consent_mw.ledger_open IN SHARE MODE")
        for threads, there in (
            (first, lambda: queue.sending == AT_ONCE),
            (then, lambda: len(queue.waiting) == len(then)),
        ):
            for thread in threads:
                thread.start()
            until = time.monotonic() + 60
            while not there() and time.monotonic() < until:
                time.sleep(0.005)
            assert there()
    for thread in (*first, *then):
        thread.join()
    return errors


def test_entries_that_come_together_are_one_commit(patient: Records, url: str) -> None:
    """Twenty threads wait for the commits on their way, and all of them are in the next one."""
    entries = [a_grant(f"r-{number}", gpc=number % 2 == 0) for number in range(20)]
    assert together(patient, url, entries) == []
    assert {kept.entry.receipt: kept.entry for kept in patient.entries()}.items() >= {
        entry.receipt: entry for entry in entries
    }.items()
    assert rows(url, "SELECT count(DISTINCT xmin::text) FROM ledger WHERE receipt LIKE 'r-%'") == [(1,)]


def test_an_entry_that_is_refused_fails_alone(patient: Records, url: str) -> None:
    """The others of its batch are written and acknowledged."""
    rows(url, "ALTER TABLE ledger ADD CHECK (language <> 'xx')")
    entries = [a_grant(f"r-{number}", language="xx" if number == 3 else "de") for number in range(6)]
    (error,) = together(patient, url, entries)
    assert error.startswith("r-3: ")
    assert [len(patient.history(entry.receipt)) for entry in entries] == [1, 1, 1, 0, 1, 1]


def test_a_batch_keeps_the_rules_of_an_append(patient: Records, url: str) -> None:
    """What is sealed stays as it is, a grant from a cookie gives way to the original, and twice is once."""
    sealed, restored, twice = a_grant("sealed"), a_grant("restored"), a_grant("twice")
    patient.append(sealed)
    seal_all(patient)
    patient.append(a_grant("restored", notice="", about=FROM_COOKIE))
    assert together(patient, url, [a_grant("sealed", language="fr"), restored, twice, twice]) == []
    found = [[kept.entry for kept in patient.history(receipt)] for receipt in ("sealed", "restored", "twice")]
    assert found == [[sealed], [restored], [twice]]


def test_a_sender_that_dies_leaves_nobody_waiting() -> None:
    """Whoever waits for a batch whose sender is killed gets an error at once, and the next entry is sent."""
    started, go, sent = threading.Event(), threading.Event(), list[str]()

    def send(entries: list[Entry], wait: float) -> None:
        if "dies" in (receipts := [entry.receipt for entry in entries]):
            started.set()
            go.wait(60)
            raise KeyboardInterrupt
        sent.extend(receipts)

    batches = Batches(send)  # type: ignore[arg-type]

    def dying() -> None:
        with pytest.raises(KeyboardInterrupt):
            batches.append(a_grant("dies"), 60)

    threads = [threading.Thread(target=dying) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    started.wait(60)
    go.set()
    for thread in threads:
        thread.join()
    batches.append(a_grant("next"), 60)
    assert sent == ["next"]


def test_who_waits_too_long_is_told_and_holds_nobody_up() -> None:
    """Two commits hang: a third entry is given up in time, and the next one is sent as soon as they end."""
    go, sent = threading.Event(), list[str]()

    def send(entries: list[Entry], wait: float) -> None:
        if any(entry.receipt == "hangs" for entry in entries):
            go.wait(60)
        sent.extend(entry.receipt for entry in entries)

    batches = Batches(send)  # type: ignore[arg-type]
    hanging = []
    for at in range(AT_ONCE):
        hanging.append(threading.Thread(target=batches.append, args=(a_grant("hangs"), 60)))
        hanging[-1].start()
        until = time.monotonic() + 60
        while batches._queue.sending <= at and time.monotonic() < until:
            time.sleep(0.001)
    with pytest.raises(RecordsError, match="still on their way"):
        batches.append(a_grant("late"), 0.01)
    go.set()
    batches.append(a_grant("next"), 60)
    for thread in hanging:
        thread.join()
    assert sorted(sent) == [*["hangs"] * AT_ONCE, "next"]
