"""A ledger in an SQLite file that tests write into, seal, and tamper with."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import Finding
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import Verification
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import open_records

SITE = "shop"
KEYS = ("an old key of thirty-two letters!", "a new key of thirty-two letters!!")
RECORD_DAYS = 30
#: The hash of the notice that entries refer to.
NOTICE = "a" * 64


class Book:
    """One ledger, with a clock that the test sets."""

    def __init__(self, folder: Path, today: int = 20_000) -> None:
        self.path = folder / "consent.db"
        self.store: Records = open_records(f"sqlite:///{self.path}", site=SITE)
        self.today = today
        self.receipts: list[str] = []
        self.made = 0
        #: The latest day of a purge: verified with an earlier date, it would count as too early.
        self.purged = today

    def entry(self, receipt: str, act: Act = Act.PARTIAL) -> Entry:
        """Return an entry dated today."""
        return Entry(
            site=SITE,
            receipt=receipt,
            act=act,
            day=self.today,
            revision="0123456789ab",
            purposes=frozenset({"analytics", "embeds"}),
            services=frozenset({"google-analytics"}),
            language="en",
            notice=NOTICE,
        )

    def grant(self, count: int = 1) -> None:
        """Append ``count`` grants."""
        for _ in range(count):
            self.made += 1
            self.receipts.append(f"receipt-{self.made}")
            self.store.append(self.entry(self.receipts[-1]))

    def end(self, at: int) -> None:
        """Append a withdrawal of one of the receipts."""
        if self.receipts:
            self.store.append(self.entry(self.receipts[at % len(self.receipts)], Act.WITHDRAW))

    def erase(self, at: int) -> None:
        """Erase one of the receipts."""
        if self.receipts:
            self.store.erase(self.receipts.pop(at % len(self.receipts)), self.today)

    def seal(self) -> int:
        """Seal the unsealed entries."""
        return seal_new(self.store, site=SITE, keys=KEYS, today=self.today)

    def purge(self) -> None:
        """Purge as an active site does: the chain also gets a seal of that day."""
        self.grant()
        self.seal()
        self.store.purge(self.today - RECORD_DAYS)
        self.purged = max(self.purged, self.today)

    def filled(self, *sizes: int) -> Book:
        """Add one seal of each size."""
        for size in sizes:
            self.grant(size)
            self.seal()
        return self

    def verify(self, keys: tuple[str, ...] = KEYS, head: str = "", *, notices: bool = False) -> Verification:
        """Verify the ledger as it is now; the date is not before the latest purge."""
        return verify(
            self.store,
            site=SITE,
            keys=keys,
            today=max(self.today, self.purged),
            record_days=RECORD_DAYS,
            head=head,
            notices=notices,
        )

    def rows(self) -> list[Kept]:
        """Return the sealed entries, by seal and place."""
        return [kept for seal in self.seals() for kept in self.store.sealed(seal.number)]

    def seals(self) -> list[Seal]:
        """Return every seal."""
        return self.store.seals(1, 100_000)

    def tamper(self, statement: str, *values: object) -> int:
        """Change the file as an attacker without keys would, and return the number of rows changed."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return connection.execute(statement, values).rowcount
        finally:
            connection.close()

    def put(self, entry: Entry, seal: int | None, place: int | None) -> None:
        """Write an entry that claims a place."""
        self.store.append(entry)
        self.tamper("UPDATE ledger SET seal = ?, place = ? WHERE receipt = ?", seal, place, entry.receipt)

    def move(self, kept: Kept, seal: int | None, place: int | None) -> None:
        """Let an entry claim another place."""
        self.tamper(
            "UPDATE ledger SET seal = ?, place = ? WHERE receipt = ? AND step = ?",
            seal,
            place,
            kept.entry.receipt,
            kept.entry.step,
        )


def edited(entry: Entry) -> list[tuple[str, object]]:
    """Return each column of an entry with another value."""
    other = {
        "receipt": f"{entry.receipt}-x",
        "day": entry.day + 1,
        "revision": f"{entry.revision}0",
        "purposes": '["analytics","marketing"]',
        "services": "[]",
        "gpc": int(not entry.gpc),
        "language": "de",
        "notice": "b" * 64,
        "about": "1/1",
        "act": (Act.REPLACE if entry.act is Act.WITHDRAW else Act.ACCEPT).value,
    }
    return list(other.items())


#: The columns of a seal in the file, each with a function that returns another value.
SEAL_EDITS: dict[str, Callable[[Seal], object]] = {
    "day": lambda seal: seal.day - 1,
    "size": lambda seal: seal.size + 1,
    "root": lambda seal: bytes(32),
    "previous": lambda seal: b"\x01" * 32,
    "leaves": lambda seal: b"\x02" * 32 + b"".join(seal.leaves or ())[32:],
}


def copy_of(entry: Entry, receipt: str) -> Entry:
    """Return the same entry under another receipt."""
    return replace(entry, receipt=receipt)


def some(test: Callable[..., None]) -> Callable[..., None]:
    """Check a property on a few real files."""
    ready = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])(test)
    marked: Callable[..., None] = pytest.mark.slow(ready)
    return marked


@contextmanager
def ledger(steps: list[tuple[str, int]]) -> Iterator[Book]:
    """Lend a ledger after performing the steps on it."""
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder))
        try:
            for name, number in steps:
                match name:
                    case "grant":
                        book.grant(1 + number % 5)
                    case "end":
                        book.end(number)
                    case "erase":
                        book.erase(number)
                    case "seal":
                        book.seal()
                    case "purge":
                        book.purge()
                    case "day":
                        book.today += number
            yield book
        finally:
            book.store.close()


def step(*names: str, least: int = 0, most: int = 1000) -> st.SearchStrategy[tuple[str, int]]:
    """Return a strategy for steps of these names."""
    return st.tuples(st.sampled_from(names), st.integers(least, most))


quiet = st.lists(step("grant", "grant", "end", "seal", "seal"), min_size=2, max_size=14)
lively = st.lists(
    step("grant", "grant", "end", "seal", "seal", "erase", "purge") | step("day", least=-25, most=40), max_size=25
)
#: At least two seals with entries.
sealed = quiet.map(lambda steps: [("grant", 3), ("seal", 0), *steps, ("grant", 2), ("seal", 0)])


def found(result: Verification) -> Finding:
    """Return the finding."""
    assert result.finding is not None, "nothing was found"
    return result.finding


def told(result: Verification) -> tuple[FindingKind, int | None, int | None, str]:
    """Return the kind and the place of the finding."""
    finding = found(result)
    return finding.kind, finding.seal, finding.place, finding.receipt
