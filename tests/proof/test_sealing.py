"""Sealing new entries, and ledgers in which a verification finds nothing."""

from __future__ import annotations

import multiprocessing
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given

from consent_mw.core.seal import Kept
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import Verification
from consent_mw.records import open_records
from tests.records.books import KEYS
from tests.records.books import RECORD_DAYS
from tests.records.books import SITE
from tests.records.books import Book
from tests.records.books import ledger
from tests.records.books import lively
from tests.records.books import some


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty ledger."""
    made = Book(tmp_path)
    yield made
    made.store.close()


# -- sealing


def test_what_waits_is_sealed_once(book: Book) -> None:
    """The first call seals every new entry, and the next one finds none."""
    book.grant(7)
    assert [book.seal(), book.seal()] == [7, 0]


def test_an_empty_ledger_gets_no_seal(book: Book) -> None:
    """Without new entries there is no seal."""
    assert (book.seal(), book.store.last_seal()) == (0, None)


def test_a_seal_holds_what_it_was_made_of(book: Book) -> None:
    """A seal has number, day, size and the previous hash; its leaves are in order."""
    book.filled(3, 4)
    one, two = book.seals()
    assert [(seal.number, seal.day, seal.size) for seal in (one, two)] == [(1, 20_000, 3), (2, 20_000, 4)]
    assert (two.previous, sorted(two.leaves or ())) == (one.hash, list(two.leaves or ()))


def test_places_tell_nothing_of_the_order_of_arrival(book: Book) -> None:
    """Entries in a seal are ordered by their leaves, which look random, not by arrival."""
    book.filled(40)
    assert [kept.entry.receipt for kept in book.rows()] != book.receipts


def multiply(book: Book, count: int) -> None:
    """Write ``count`` grants into the file at once."""
    book.grant()
    book.tamper(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO ledger "
        "SELECT site, ? || i, step, act, day, revision, purposes, services, gpc, language, notice, about, "
        "seal, place FROM ledger, n WHERE receipt = ?",
        count,
        f"more-{book.made}-",
        book.receipts[-1],
    )


def test_one_seal_takes_a_bounded_number(book: Book) -> None:
    """Entries beyond the limit are left for the next seal."""
    most = book.store.most_in_seal()
    multiply(book, most)
    assert [book.seal(), book.seal()] == [most, 1]


def test_who_loses_the_race_changes_nothing(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process has sealed the entries meanwhile, there is one seal, and the loser returns 0."""
    book.grant(3)
    last = book.store.last_seal()
    rival = open_records(f"sqlite:///{book.path}", site=SITE)
    waiting = rival.unsealed(10)
    assert book.seal() == 3
    monkeypatch.setattr(rival, "unsealed", lambda limit, day: waiting)
    monkeypatch.setattr(rival, "last_seal", lambda: last)
    assert seal_new(rival, site=SITE, keys=KEYS, today=book.today) == 0
    rival.close()
    assert (len(book.seals()), book.verify().ok) == (1, True)


def test_a_seal_of_an_older_key_still_counts(book: Book) -> None:
    """After a key change, seals signed with the older key are still valid."""
    book.grant(2)
    seal_new(book.store, site=SITE, keys=KEYS[:1], today=book.today)
    book.filled(2)
    assert book.verify() == Verification(None, 2, 4, 0, 0, 0, book.seals()[-1].hash.hex(), True)


def test_the_signature_does_not_tell_the_key(book: Book) -> None:
    """The stored signature contains no part of a key."""
    book.filled(1)
    assert [key in book.seals()[0].signature for key in KEYS] == [False, False]


# -- ledgers that pass


@some
@given(lively)
def test_an_untouched_ledger_passes(steps: list[tuple[str, int]]) -> None:
    """After any sequence of grants, ends, erasures, purges and seals, even on earlier days, the chain is valid."""
    with ledger(steps) as book:
        result = book.verify()
        assert result.finding is None
        covered = sum(seal.size for seal in book.seals())
        assert result.entries + result.erased + result.purged == covered
        assert result.waiting == len(book.store.unsealed(10_000))


def test_an_empty_ledger_passes(book: Book) -> None:
    """Verifying an empty ledger finds nothing."""
    assert book.verify() == Verification(None, 0, 0, 0, 0, 0, "", True)


def test_erasures_are_counted_apart(book: Book) -> None:
    """An erased entry is accounted for, whether its tombstone is sealed or not."""
    book.filled(5)
    book.erase(2)
    assert (book.verify().erased, book.verify().waiting) == (1, 1)
    book.seal()
    assert (book.verify().ok, book.verify().erased, book.verify().entries) == (True, 1, 5)


def test_purged_seals_keep_the_chain(book: Book) -> None:
    """After a purge of the entries, the chain of seals is still complete."""
    book.filled(5, 5)
    book.today += RECORD_DAYS + 1
    book.purge()
    result = book.verify()
    assert (result.ok, result.seals, result.purged, result.entries) == (True, 3, 10, 1)


def test_entries_that_may_go_may_be_gone(book: Book) -> None:
    """A missing entry whose retention is over is not a finding, even if the seal still lists it."""
    book.filled(5)
    book.today += RECORD_DAYS + 1
    book.tamper("DELETE FROM ledger WHERE place > 2")
    assert (book.verify().ok, book.verify().purged, book.verify().entries) == (True, 2, 3)


def test_a_clock_that_goes_back_changes_nothing(book: Book) -> None:
    """A timely purge is accepted by the date of the purge, even if entries are later sealed with earlier dates."""
    book.filled(5)
    book.today += RECORD_DAYS + 1
    book.purge()
    book.today -= RECORD_DAYS
    book.filled(2)
    assert book.verify().finding is None


def test_a_tombstone_that_went_first_is_no_finding(book: Book) -> None:
    """If a clock was set back, a tombstone can be older than its entry, and be purged before it."""
    book.today += 40
    book.filled(4)
    book.today -= 40
    book.erase(0)
    book.seal()
    book.today += 45
    book.purge()
    assert (book.verify().finding, book.verify().erased, book.verify().purged) == (None, 1, 1)


def test_an_erasure_during_a_verification_is_no_finding(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is emptied during the verification is read again, with the current tombstones."""
    book.filled(6)
    book.erase(0)
    book.filled(6)
    whole = book.store.sealed

    def erased_meanwhile(number: int) -> list[Kept]:
        if number == 2 and len(book.receipts) > 10:
            book.erase(-1)
        return whole(number)

    monkeypatch.setattr(book.store, "sealed", erased_meanwhile)
    assert book.verify().finding is None


def test_a_grant_during_a_verification_is_no_finding(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal that is added during the verification is known when its entries are read."""
    book.filled(3)
    entries = book.store.entries

    def sealed_meanwhile() -> object:
        monkeypatch.undo()
        book.filled(3)
        return entries()

    monkeypatch.setattr(book.store, "entries", sealed_meanwhile)
    assert book.verify().finding is None


@pytest.mark.slow
def test_memory_does_not_grow_with_the_ledger(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the entries, in ten times the seals, are verified in the same memory."""
    monkeypatch.setattr("consent_mw.records.sql.ledger.SEALED", 100)

    def peak(count: int) -> int:
        multiply(book, count)
        while book.seal():
            pass
        found = []
        for _ in range(3):  # use the minimum: threads of other tests may allocate at the same time
            tracemalloc.start()
            assert book.verify().ok
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return min(found)

    small = peak(1_000)
    # Entries that are kept would take 450 bytes each, 4 MB more.
    assert peak(9_000) < small + 300_000


def test_signatures_are_left_out_without_keys(book: Book) -> None:
    """Without keys the chain can still be verified, and the result says that no signature was checked."""
    book.filled(3)
    assert (book.verify(keys=()).ok, book.verify(keys=()).signed) == (True, False)


def _work(path: str, name: int, rounds: int) -> None:
    store = open_records(f"sqlite:///{path}", site=SITE)
    book = Book.__new__(Book)
    book.store, book.today, book.receipts, book.made = store, 20_000, [], name * 100_000
    for _ in range(rounds):
        book.grant(3)
        book.seal()
    store.close()


@pytest.mark.slow
def test_processes_that_seal_at_once_make_one_chain(book: Book) -> None:
    """Several processes that append and seal concurrently lose no entries and no seals."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(str(book.path), name, 20)) for name in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    while book.seal():
        pass
    result = book.verify()
    assert (result.finding, result.entries, result.waiting) == (None, 180, 0)
