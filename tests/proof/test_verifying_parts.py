"""Verifying a large ledger: in several processes, from a checkpoint, and with entries joined by the server."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from consent_mw.core.seal import Act
from consent_mw.proof.findings import Checkpoint
from consent_mw.proof.findings import FindingKind
from consent_mw.proof.findings import Verification
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.proof.verifying import verify_in_parallel
from consent_mw.records import open_records
from consent_mw.records import postgres
from tests.records.books import KEYS
from tests.records.books import RECORD_DAYS
from tests.records.books import SITE
from tests.records.books import Book
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.servers import Postgres


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return a ledger of six seals."""
    made = Book(tmp_path)
    made.filled(3, 1, 4, 2, 2, 3)
    yield made
    made.store.close()


def since(book: Book, number: int) -> Verification:
    """Verify the part of the chain after a seal."""
    seal = book.store.seals(number, 1)[0]
    return verify(
        book.store,
        site=SITE,
        keys=KEYS,
        today=book.today,
        record_days=RECORD_DAYS,
        since=Checkpoint(number, seal.hash),
    )


def test_processes_find_together_what_one_finds(book: Book) -> None:
    """Each verifies a part of the chain; the totals and a finding in a middle part are those of a single process."""
    rules = {"site": SITE, "keys": KEYS, "today": book.today, "record_days": RECORD_DAYS}
    url = f"sqlite:///{book.path}"
    whole = verify_in_parallel(url, jobs=2, **rules)  # type: ignore[arg-type]
    assert (whole, whole.seals, whole.entries) == (book.verify(), 6, 15)
    kept = book.store.sealed(4)[1]
    book.tamper("UPDATE ledger SET language = 'xx' WHERE receipt = ?", kept.entry.receipt)
    assert verify_in_parallel(url, jobs=2, **rules).finding == book.verify().finding  # type: ignore[arg-type]


def test_a_verification_goes_on_from_the_last(book: Book) -> None:
    """Only the seals after the checkpoint are read, and the head is that of the whole chain."""
    found = since(book, 4)
    assert (found.finding, found.seals, found.entries, found.head) == (None, 2, 5, book.verify().head)
    assert (since(book, 6).seals, since(book, 6).head) == (0, book.verify().head)


def test_from_a_checkpoint_on_every_change_is_found(book: Book) -> None:
    """Changes before the checkpoint are not found, which is the price of the speed."""
    checkpoint = 3
    for number, kind in ((5, FindingKind.EDITED), (2, None)):
        kept = book.store.sealed(number)[0]
        change = "UPDATE ledger SET language = ? WHERE receipt = ?"
        book.tamper(change, "xx", kept.entry.receipt)
        finding = since(book, checkpoint).finding
        assert (finding and finding.kind) == kind
        book.tamper(change, kept.entry.language, kept.entry.receipt)
    assert since(book, checkpoint).ok


def test_a_checkpoint_that_is_gone_is_a_finding(book: Book) -> None:
    """This happens if somebody restored an older ledger, or rewrote the chain."""
    seal = book.store.seals(6, 1)[0]
    book.tamper("DELETE FROM seals WHERE number = 6")
    book.tamper("DELETE FROM ledger WHERE seal = 6")
    finding = verify(
        book.store, site=SITE, keys=KEYS, today=book.today, record_days=RECORD_DAYS, since=Checkpoint(6, seal.hash)
    ).finding
    assert finding is not None
    assert finding.kind is FindingKind.TRUNCATED


@pytest.mark.slow
def test_what_postgresql_joins_is_what_is_hashed(
    server: Callable[[str], Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are equal byte for byte, for texts that JSON has to escape, and after an erasure and an edit."""
    monkeypatch.setattr(postgres, "WAIT", 60.0)
    monkeypatch.setattr(postgres, "SLOW_WAIT", 60.0)
    url = server("postgres").fresh()
    odd = ['"', "\\", "\n\r\t\b\f", "\x01\x1f", "\x7f", "é", "\u2028", "😀", "", "{}", "/"]
    with closing(open_records(url)) as store:
        for number, text in enumerate(odd):
            store.append(a_grant(f"{number}{text}", language=text, notice=text, gpc=not number % 2))
        store.append(replace(a_grant("end", act=Act.WITHDRAW), purposes=frozenset(), services=frozenset()))
        seal_new(store, site="site", keys=KEYS, today=DAY)
        joined = store.canonical(1)
        assert joined is not None
        assert joined.entries == [kept.entry.canonical for kept in store.sealed(1)]
        assert joined.notices == frozenset(odd) - {""} | {a_grant().notice}
        rules = {"site": "site", "keys": KEYS, "today": DAY, "record_days": RECORD_DAYS}
        assert verify(store, **rules).ok  # type: ignore[arg-type]
        store.erase(f"3{odd[3]}", DAY)
        assert store.canonical(1) is None
        found = verify(store, **rules)  # type: ignore[arg-type]
        assert (found.finding, found.entries, found.erased, found.waiting) == (None, len(odd), 1, 1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE consent_mw.ledger SET gpc = 1 - gpc WHERE receipt = 'end'")
        finding = verify(store, **rules).finding  # type: ignore[arg-type]
        assert finding is not None
        assert (finding.kind, finding.receipt) == (FindingKind.EDITED, "end")
