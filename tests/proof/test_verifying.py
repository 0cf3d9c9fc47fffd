"""Changes to the file by somebody without a key are found by a verification."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.seal import Act
from consent_mw.errors import RecordsError
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import verify
from tests.records.books import KEYS
from tests.records.books import RECORD_DAYS
from tests.records.books import SEAL_EDITS
from tests.records.books import SITE
from tests.records.books import Book
from tests.records.books import copy_of
from tests.records.books import edited
from tests.records.books import found
from tests.records.books import ledger
from tests.records.books import lively
from tests.records.books import sealed
from tests.records.books import some
from tests.records.books import told


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty ledger."""
    made = Book(tmp_path)
    yield made
    made.store.close()


# -- findings


@some
@given(sealed, st.data())
def test_an_edited_entry_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """Another value in any column of any sealed entry is found as an edit, at its place."""
    with ledger(steps) as book:
        kept = data.draw(st.sampled_from(book.rows()))
        column, value = data.draw(st.sampled_from(edited(kept.entry)))
        changed = book.tamper(
            f"UPDATE ledger SET {column} = ? WHERE receipt = ? AND step = ?",  # noqa: S608 - our own names
            value,
            kept.entry.receipt,
            kept.entry.step,
        )
        receipt = str(value) if column == "receipt" else kept.entry.receipt
        assert (changed, told(book.verify())) == (1, (FindingKind.EDITED, kept.seal, kept.place, receipt))


@some
@given(sealed, st.data())
def test_a_removed_entry_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """A sealed entry that is gone without a tombstone is found, as removed, by its place."""
    with ledger(steps) as book:
        kept = data.draw(st.sampled_from(book.rows()))
        book.tamper("DELETE FROM ledger WHERE receipt = ? AND step = ?", kept.entry.receipt, kept.entry.step)
        assert told(book.verify()) == (FindingKind.REMOVED, kept.seal, kept.place, "")


@some
@given(sealed, st.data())
def test_an_inserted_entry_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """An entry that claims a place that is taken or does not exist is found as inserted."""
    with ledger(steps) as book:
        seals = book.seals()
        seal = data.draw(st.sampled_from(seals))
        place = data.draw(st.integers(-2, seal.size + 3))
        number = data.draw(st.sampled_from([seal.number, seal.number, len(seals) + 1, len(seals) + 50, 0, -1]))
        book.put(book.entry("put-in"), number, place)
        assert told(book.verify()) == (FindingKind.INSERTED, number, place, "put-in")


@some
@given(sealed, st.data())
def test_a_moved_entry_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """An entry that was moved to another place, or to none, is found as moved."""
    with ledger(steps) as book:
        kept = data.draw(st.sampled_from(book.rows()))
        seal = data.draw(st.sampled_from(book.seals()))
        places = st.tuples(st.just(seal.number), st.integers(0, seal.size + 2))
        to = data.draw(st.just((None, None)) | places | st.just((len(book.seals()) + 1, 0)))
        assume(to != (kept.seal, kept.place))
        book.move(kept, *to)
        kind, _, _, receipt = told(book.verify())
        assert (kind, receipt) == (FindingKind.MOVED, kept.entry.receipt)


@some
@given(sealed, st.data())
def test_two_entries_that_changed_places_are_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """Two swapped entries are found as moved, at the first of the two places."""
    with ledger(steps) as book:
        rows = book.rows()
        one, other = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2, unique=True)))
        book.move(rows[one], rows[other].seal, rows[other].place)
        book.move(rows[other], rows[one].seal, rows[one].place)
        place = (FindingKind.MOVED, rows[one].seal, rows[one].place, rows[other].entry.receipt)
        assert told(book.verify()) == place


@some
@given(sealed, st.sampled_from(sorted(SEAL_EDITS)), st.data())
def test_an_edited_seal_is_named(steps: list[tuple[str, int]], part: str, data: st.DataObject) -> None:
    """A seal with another day, size, root, predecessor or leaf is found by its number."""
    with ledger(steps) as book:
        seal = data.draw(st.sampled_from(book.seals()))
        value = SEAL_EDITS[part](seal)
        book.tamper(f"UPDATE seals SET {part} = ? WHERE number = ?", value, seal.number)  # noqa: S608 - our own names
        finding = found(book.verify())
        # For the last seal, an edited day cannot be distinguished from an edited signature.
        last = seal.number == len(book.seals()) and part == "day"
        assert (finding.kind, finding.seal) == (FindingKind.SIGNATURE if last else FindingKind.SEAL, seal.number)


@some
@given(sealed, st.data())
def test_an_edited_signature_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """A signature with one different character is found, and distinguished from an edited seal."""
    with ledger(steps) as book:
        seal = data.draw(st.sampled_from(book.seals()))
        name, _, mac = seal.signature.partition(".")
        at = data.draw(st.integers(0, len(mac) - 2))
        other = f"{name}.{mac[:at]}{'A' if mac[at] != 'A' else 'B'}{mac[at + 1 :]}"
        book.tamper("UPDATE seals SET signature = ? WHERE number = ?", other, seal.number)
        finding = found(book.verify())
        assert (finding.kind, finding.seal) == (FindingKind.SIGNATURE, seal.number)


@some
@given(sealed, st.data())
def test_a_missing_seal_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """A seal that is missing inside the chain is found by its number."""
    with ledger(steps) as book:
        number = data.draw(st.integers(1, len(book.seals()) - 1))
        book.tamper("DELETE FROM seals WHERE number = ?", number)
        finding = found(book.verify())
        assert (finding.kind, finding.seal) == (FindingKind.CHAIN, number)


@some
@given(sealed, st.data())
def test_what_is_purged_too_early_is_named(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """Entries and leaves that are dropped as if by retention, before it is due, are found by their seal."""
    with ledger(steps) as book:
        number = data.draw(st.integers(1, len(book.seals())))
        book.tamper("DELETE FROM ledger WHERE seal = ?", number)
        book.tamper("UPDATE seals SET leaves = NULL WHERE number = ?", number)
        finding = found(book.verify())
        assert (finding.kind, finding.seal) == (FindingKind.PURGED, number)


@some
@given(lively, st.data())
def test_tampering_is_found_among_erasures_and_purges(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    """After erasures and purges, an edit, a removal or an insertion is still found."""
    with ledger([*steps, ("grant", 2), ("seal", 0)]) as book:
        assume(book.verify().ok)
        kept = data.draw(st.sampled_from([row for row in book.rows() if row.entry.act is not Act.ERASE]))
        how = data.draw(st.sampled_from(["edit", "insert"]))
        if how == "insert":
            book.put(copy_of(kept.entry, "put-in"), kept.seal, kept.place)
        else:
            book.tamper("UPDATE ledger SET language = 'xx' WHERE receipt = ?", kept.entry.receipt)
        assert found(book.verify()).kind is (FindingKind.INSERTED if how == "insert" else FindingKind.EDITED)


def test_an_edit_that_mends_the_list_of_leaves_is_found(book: Book) -> None:
    """An edit of an entry and its leaf in the seal is found by the root, which is signed."""
    book.filled(4)
    kept = book.rows()[1]
    book.tamper("UPDATE ledger SET language = 'xx' WHERE receipt = ?", kept.entry.receipt)
    leaves = b"".join(row.entry.leaf for row in book.rows())
    book.tamper("UPDATE seals SET leaves = ?", leaves)
    assert told(book.verify()) == (FindingKind.SEAL, 1, None, "")


def test_the_last_entry_beyond_its_place_is_moved(book: Book) -> None:
    """An entry that is not at its place is found, even if the order is unchanged."""
    book.filled(4)
    last = book.rows()[-1]
    book.move(last, 1, 9)
    assert told(book.verify()) == (FindingKind.MOVED, 1, 3, last.entry.receipt)


def test_a_chain_made_anew_is_found_by_its_signature(book: Book) -> None:
    """A chain that was rewritten with another key after an edit is found by the key's name."""
    book.filled(3)
    book.tamper("UPDATE ledger SET seal = NULL, place = NULL, language = 'xx'")
    book.tamper("DELETE FROM seals")
    assert seal_new(book.store, site=SITE, keys=("somebody else's key, long enough!",), today=book.today) == 3
    assert (found(book.verify()).kind, found(book.verify()).seal) == (FindingKind.KEY, 1)


def test_a_seal_put_in_its_place_with_another_past_is_found(book: Book) -> None:
    """A signed and intact seal that follows another predecessor breaks the chain."""
    book.filled(2, 2)
    with tempfile.TemporaryDirectory() as folder:
        fork = Book(Path(folder))
        fork.made = 50
        fork.filled(3, 2)
        fork.store.close()
        connection = sqlite3.connect(book.path, isolation_level=None)
        connection.execute("ATTACH ? AS fork", (str(fork.path),))
        connection.execute("DELETE FROM seals WHERE number = 2")
        connection.execute("INSERT INTO seals SELECT * FROM fork.seals WHERE number = 2")
        connection.close()
    assert (found(book.verify()).kind, found(book.verify()).seal) == (FindingKind.CHAIN, 2)


def test_a_chain_that_was_cut_short_is_found_by_a_noted_head(book: Book) -> None:
    """A chain without its last seals and their entries passes, unless its head was recorded."""
    book.filled(3)
    early = book.verify().head
    book.filled(3)
    late = book.verify().head
    book.tamper("DELETE FROM ledger WHERE seal = 2")
    book.tamper("DELETE FROM seals WHERE number = 2")
    assert [book.verify(head=head).ok for head in ("", early, early.upper())] == [True, True, True]
    assert found(book.verify(head=late)).kind is FindingKind.TRUNCATED


def test_a_removed_tombstone_is_found(book: Book) -> None:
    """Without its tombstone an erasure is a removal."""
    book.filled(4)
    place = next(kept.place for kept in book.rows() if kept.entry.receipt == book.receipts[0])
    book.erase(0)
    book.seal()
    book.tamper("DELETE FROM ledger WHERE act = 'erase'")
    assert told(book.verify()) == (FindingKind.REMOVED, 1, place, "")


@pytest.mark.parametrize("about", ["1/0", "1/99", "9/0", "0/0", "", "1/x", "1", "99999999999999999999/1"])
def test_a_tombstone_of_nothing_is_found(book: Book, about: str) -> None:
    """A tombstone must refer to a place that existed and is empty; otherwise it was inserted."""
    book.filled(4)
    book.grant()
    book.tamper("UPDATE ledger SET act = 'erase', about = ? WHERE seal IS NULL", about)
    assert (found(book.verify()).kind, found(book.verify()).receipt) == (FindingKind.INSERTED, "receipt-5")


def test_an_entry_among_the_purged_is_found(book: Book) -> None:
    """An entry that claims a place in a purged seal was inserted."""
    book.filled(4)
    book.today += RECORD_DAYS + 1
    book.purge()
    book.put(book.entry("put-in"), 1, 2)
    assert told(book.verify()) == (FindingKind.INSERTED, 1, 2, "put-in")


@pytest.mark.parametrize("value", ["not json", "[1]", "{}", "7", "[" * 5000])
def test_an_entry_that_cannot_be_read_is_edited(book: Book, value: str) -> None:
    """An impossible value is found as an edit, and does not stop the verification."""
    book.filled(4)
    kept = book.rows()[2]
    book.tamper("UPDATE ledger SET purposes = ? WHERE receipt = ?", value, kept.entry.receipt)
    assert told(book.verify()) == (FindingKind.EDITED, 1, 2, kept.entry.receipt)


@pytest.mark.parametrize(("column", "value"), [("day", 3.5), ("act", "other"), ("seal", "x")])
def test_a_row_of_no_entry_is_a_finding(book: Book, column: str, value: object) -> None:
    """A row that no version could have written is found, at least in its seal."""
    book.filled(2, 4)
    connection = sqlite3.connect(book.path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(f"UPDATE ledger SET {column} = ? WHERE seal = 2 AND place = 1", (value,))  # noqa: S608 - our own names
    connection.close()
    assert found(book.verify()).kind in {FindingKind.EDITED, FindingKind.REMOVED}


@pytest.mark.parametrize("part", ["root", "previous", "leaves", "signature"])
def test_a_seal_that_cannot_be_read_is_edited(book: Book, part: str) -> None:
    """A text instead of bytes, or NULL, is found as an edit of the seal."""
    book.filled(2, 2)
    book.tamper(f"UPDATE seals SET {part} = 'é' WHERE number = 1", *())  # noqa: S608 - our own names
    assert found(book.verify()).kind in {FindingKind.SEAL, FindingKind.SIGNATURE, FindingKind.KEY}


def test_the_chain_of_another_site_is_told(book: Book) -> None:
    """Seals contain their site, so that the chain of another site does not pass."""
    book.filled(2)
    found_there = verify(book.store, site="other", keys=KEYS, today=book.today, record_days=RECORD_DAYS)
    assert (found(found_there).kind, found(found_there).seal) == (FindingKind.SEAL, 1)


def test_a_store_that_fails_is_no_finding(book: Book) -> None:
    """A failing store is an error, and neither a success nor a finding."""
    book.filled(2)
    book.store.close()
    with pytest.raises(RecordsError, match="closed"):
        book.verify()


# -- notices


def test_notices_are_checked_where_asked(book: Book) -> None:
    """An entry whose notice is missing is found, but only if notices are checked."""
    book.filled(2)
    assert (book.verify().ok, found(book.verify(notices=True)).kind) == (True, FindingKind.NOTICE)


def test_an_edited_notice_is_found(book: Book) -> None:
    """A notice whose hash does not match was edited."""
    book.filled(2)
    book.store.keep_notice("a" * 64, b"{}")
    assert found(book.verify(notices=True)).what == f"The notice {'a' * 64} was changed."
