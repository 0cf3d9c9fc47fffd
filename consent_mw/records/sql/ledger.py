"""The ledger in SQL: entries, seals, notices and marks of erased receipts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from consent_mw.core.seal import ABOUT_NOBODY
from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import MARK
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.records import Canonical
from consent_mw.records import ReadSeals
from consent_mw.records.rows import ENTRY
from consent_mw.records.rows import NEW
from consent_mw.records.rows import SEAL
from consent_mw.records.rows import Row
from consent_mw.records.rows import Value
from consent_mw.records.rows import bytes_in
from consent_mw.records.rows import kept_of
from consent_mw.records.rows import number_in
from consent_mw.records.rows import row_of_entry
from consent_mw.records.rows import row_of_seal
from consent_mw.records.rows import seal_of
from consent_mw.records.rules import check
from consent_mw.records.rules import check_taken
from consent_mw.records.rules import mark as mark_entry
from consent_mw.records.rules import tombstone
from consent_mw.records.sql.session import Session
from consent_mw.records.sql.session import SqlStore
from consent_mw.records.sql.session import Undo

#: Entries per page, so that no query stays open while the caller processes them.
PAGE = 1000
#: Seals whose entries one query scans: up to 250,000 entries.
SEALS = 50
#: Seals that are purged in one transaction: up to 25,000 entries.
PURGE = 5
#: The most entries in one seal.
SEALED = 5_000

_VALUES = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
_NOTHING = "DO NOTHING"
#: The original replaces a grant that was restored from a cookie, unless that is sealed already.
ORIGINAL = (
    "(site, receipt, step) DO UPDATE SET act = excluded.act, day = excluded.day, "
    "revision = excluded.revision, purposes = excluded.purposes, services = excluded.services, gpc = excluded.gpc, "
    "language = excluded.language, notice = excluded.notice, about = excluded.about "
    f"WHERE ledger.about = '{FROM_COOKIE}' AND ledger.seal IS NULL"
)
#: A copy of a ledger contains a sealed mark; the target may already have the same mark, unsealed, with another day.
_ADOPTED = (
    "(site, receipt, step) DO UPDATE SET act = excluded.act, day = excluded.day, about = excluded.about "
    "WHERE ledger.seal IS NULL"
)
#: Compares ``about``, too, since the original may have replaced the entry while the seal was being made.
IS_UNSEALED = "WHERE site = ? AND receipt = ? AND step = ? AND seal IS NULL AND about = ?"
_IS_MARKED = f"SELECT 1 FROM ledger WHERE site = ? AND receipt = ? AND step = 0 AND act = '{Act.ERASE.value}'"  # noqa: S608
_ABOUT_NOBODY = frozenset(act.value for act in ABOUT_NOBODY)
_DAY_OF_SEAL = "SELECT day FROM seals WHERE site = ? AND number = ?"
_DROP = "DELETE FROM ledger WHERE site = ? AND receipt = ? AND step = ?"


class SqlLedger(SqlStore):
    """The ledger of a site."""

    # -- overridden by a store that has the ledger in several tables

    #: The table of entries that are not sealed. All other statements use the name ``ledger``.
    _open_table = "ledger"
    #: The assignments that turn a sealed entry into an unsealed one.
    _unseal = "seal = NULL, place = NULL"

    def _insertion(self, entry: Entry, conflict: str) -> tuple[str, Row]:
        """Return the statement that appends an entry unless it is there, and its values."""
        return self._into(conflict), row_of_entry(entry)

    def _into(self, conflict: str) -> str:
        """Return the statement that adds an entry that is not among the sealed ones."""
        return f"INSERT INTO {self._open_table} AS ledger ({NEW}) VALUES ({_VALUES}) ON CONFLICT {conflict}"  # noqa: S608

    def _marking(self, session: Session, seal: Seal) -> str:
        """Return the statement that marks an entry with its seal and place."""
        return f"UPDATE ledger SET seal = ?, place = ? {IS_UNSEALED}"  # noqa: S608

    # -- the ledger

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """Write an entry unless it was erased; it is durable when this returns. Repeating the call changes nothing."""
        check(entry, self.site)
        if not marks:
            with self._writing() as session:
                self._insert(session, entry, ORIGINAL)
            return
        with self._transaction(alone=True) as session:
            if not self._is_erased(session, marks):
                self._insert(session, entry, ORIGINAL)

    def take(self, entries: Sequence[Entry], marks: Mapping[str, Sequence[str]]) -> int:
        """Append entries from elsewhere, but none of a receipt that was erased; return how many are new."""
        for entry in entries:
            check_taken(entry, self.site)
        with self._transaction(alone=True) as session:
            return sum(
                self._insert(session, entry)
                for entry in entries
                if not self._is_erased(session, marks.get(entry.receipt, ()))
            )

    def _insert(self, session: Session, entry: Entry, conflict: str = _NOTHING) -> int:
        """Append an entry, and return 1, or 0 if it is there."""
        statement, values = self._insertion(entry, conflict)
        return session.change(statement, *values)

    def _is_erased(self, session: Session, marks: Sequence[str]) -> bool:
        """Return whether the ledger has one of the marks."""
        return any(session.rows(_IS_MARKED, self.site, number) for number in marks)

    def history(self, receipt: str) -> list[Kept]:
        """Return the entries of a receipt, by step."""
        with self._reading() as session:
            query = f"SELECT {ENTRY} FROM ledger WHERE site = ? AND receipt = ? ORDER BY step"  # noqa: S608
            return [kept_of(self.site, row) for row in session.rows(query, self.site, receipt)]

    def entries(self, first: str = "", end: str = "") -> Iterator[Kept]:
        """Yield every entry, or those of a range of receipts, by receipt and step, a page at a time."""
        query = (
            f"SELECT {ENTRY}, step FROM ledger WHERE site = ? AND (receipt, step) > (?, ?) "  # noqa: S608
            f"{'AND receipt < ? ' if end else ''}ORDER BY receipt, step LIMIT ?"
        )
        return self._pages(query, first, *((end,) if end else ()))

    def _pages(self, query: str, first: str = "", *more: Value) -> Iterator[Kept]:
        """Yield the entries of a query that continues after a given receipt and step, from a first receipt on."""
        receipt: Value = first
        step: Value = -1
        while True:
            with self._reading(slow=True) as session:
                page = session.rows(query, self.site, receipt, step, *more, PAGE)
            for row in page:
                yield kept_of(self.site, row[:-1])
            if len(page) < PAGE:
                return
            receipt, step = page[-1][0], page[-1][-1]  # a tampered entry may have another step than its own

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store the document durably under its hash."""
        query = "SELECT 1 FROM notices WHERE site = ? AND digest = ?"
        with self._reading() as session:
            # Every process stores every notice when it starts: nearly all exist already, and need no write.
            if session.rows(query, self.site, digest):
                return
        added = "INSERT INTO notices (site, digest, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        with self._writing() as session:
            session.change(added, self.site, digest, zlib.compress(document, 9))

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        query = "SELECT document FROM notices WHERE site = ? AND digest = ?"
        with self._reading() as session:
            for (document,) in session.rows(query, self.site, digest):
                return zlib.decompress(bytes_in(document))
        return None

    def unsealed(self, limit: int, day: int | None = None) -> list[Entry]:
        """Return up to ``limit`` unsealed entries by receipt, without those of ``day`` or the next day."""
        # By receipt, which is random: a table's natural order is the order of arrival.
        query = (
            f"SELECT {ENTRY} FROM ledger WHERE site = ? AND seal IS NULL AND (day < ? OR day > ?) "  # noqa: S608
            "ORDER BY receipt, step LIMIT ?"
        )
        first, last = (1, 0) if day is None else (day, day + 1)
        with self._reading(slow=True) as session:
            return [kept_of(self.site, row).entry for row in session.rows(query, self.site, first, last, limit)]

    def most_in_seal(self) -> int:
        """Return the most entries that one seal may have."""
        return SEALED

    def add_seal(self, seal: Seal, entries: Sequence[Entry]) -> bool:
        """Store a seal and mark its entries, or return False with nothing changed."""
        try:
            with self._transaction(alone=True) as session:
                ((last,),) = session.rows("SELECT coalesce(max(number), 0) FROM seals WHERE site = ?", self.site)
                if seal.number != number_in(last) + 1:
                    raise Undo
                added = f"INSERT INTO seals (site, {SEAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                session.change(added, self.site, *row_of_seal(seal))
                marks = [
                    (seal.number, place, self.site, entry.receipt, entry.step, entry.about)
                    for place, entry in enumerate(entries)
                ]
                if session.change_all(self._marking(session, seal), marks) != len(marks):
                    raise Undo
        except Undo:
            return False
        return True

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        query = f"SELECT {SEAL} FROM seals WHERE site = ? ORDER BY number DESC LIMIT 1"  # noqa: S608
        with self._reading() as session:
            for row in session.rows(query, self.site):
                return seal_of(self.site, row)
        return None

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return up to ``limit`` seals from number ``first`` on, in order."""
        query = f"SELECT {SEAL} FROM seals WHERE site = ? AND number >= ? ORDER BY number LIMIT ?"  # noqa: S608
        with self._reading(slow=True) as session:
            return [seal_of(self.site, row) for row in session.rows(query, self.site, first, limit)]

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries that claim to be in that seal, by place."""
        query = f"SELECT {ENTRY} FROM ledger WHERE site = ? AND seal = ? ORDER BY place, receipt, step"  # noqa: S608
        with self._reading(slow=True) as session:
            return [kept_of(self.site, row) for row in session.rows(query, self.site, number)]

    def erase(self, receipt: str, day: int, mark: str = "") -> int:
        """Erase the entries of a receipt, leave a tombstone for each sealed one, and a mark; return their number."""
        query = "SELECT act, step, seal, place FROM ledger WHERE site = ? AND receipt = ?"
        days: list[int] = []
        with self._transaction(alone=True) as session:
            found = session.rows(query, self.site, receipt)
            if any(act in _ABOUT_NOBODY for act, *_ in found):
                return 0
            for _, step, seal, place in found:
                session.change(_DROP, self.site, receipt, step)
                if seal is not None:
                    days += [number_in(sealed) for (sealed,) in session.rows(_DAY_OF_SEAL, self.site, seal)]
                    left = tombstone(self.site, day, number_in(seal), number_in(place))
                    self._insert(session, left)
            if mark:
                self._insert(session, mark_entry(self.site, day, mark))
        if found:
            self._wipe(days, patient=False)
        return len(found)

    def adopt(self, seal: Seal | None, kept: Iterable[Kept]) -> None:
        """Store a seal of another store with its entries, or unsealed entries; see :class:`CopyTarget`."""
        rows = list(kept)
        with self._transaction(alone=True) as session:
            into = self._into(_NOTHING if seal is None else _ADOPTED)
            session.change_all(into, [row_of_entry(one.entry) for one in rows])
            if seal is None:
                return
            added = f"INSERT INTO seals (site, {SEAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            session.change(added, self.site, *row_of_seal(seal))
            marks = [
                (seal.number, one.place or 0, self.site, one.entry.receipt, one.entry.step, one.entry.about)
                for one in rows
            ]
            session.change_all(self._marking(session, seal), marks)

    def clear(self, marks: Sequence[Entry]) -> None:
        """Delete everything of the site but the marks, which are durable first; see :class:`CopyTarget`."""
        unseal = f"UPDATE ledger SET {self._unseal} WHERE site = ? AND receipt = ? AND step = 0"  # noqa: S608
        seals = "SELECT number FROM seals WHERE site = ? ORDER BY number LIMIT ?"
        others = f"DELETE FROM ledger WHERE site = ? AND seal IS NULL AND NOT (act = '{Act.ERASE.value}' AND about = ?)"  # noqa: S608
        with self._transaction(alone=True) as session:
            for entry in marks:
                self._insert(session, entry)
            session.change_all(unseal, [(self.site, entry.receipt) for entry in marks])
        while True:
            with self._transaction(alone=True) as session:
                gone = [(self.site, number) for (number,) in session.rows(seals, self.site, PURGE)]
                session.change_all("DELETE FROM ledger WHERE site = ? AND seal = ?", gone)
                session.change_all("DELETE FROM seals WHERE site = ? AND number = ?", gone)
            if len(gone) < PURGE:
                break
        with self._transaction(alone=True) as session:
            session.change(
                "DELETE FROM ledger WHERE site = ? AND seal IS NOT NULL", self.site
            )  # of a seal that is gone
            session.change(others, self.site, MARK)
            for table in ("notices", "counts", "figures", "observed"):
                session.change(f"DELETE FROM {table} WHERE site = ?", self.site)  # noqa: S608 - names of ours
        self._wipe(None, patient=True)

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals that were not purged."""
        query = (
            "SELECT coalesce(sum(CASE WHEN day < ? THEN size ELSE 0 END), 0), coalesce(sum(size), 0) FROM seals "
            "WHERE site = ? AND leaves IS NOT NULL"
        )
        with self._reading(slow=True) as session:
            ((due, sealed),) = session.rows(query, before, self.site)
        return int(due or 0), int(sealed or 0)

    def clock(self) -> float | None:
        """Return None: an embedded store does not have its own clock."""
        return None

    def canonical(self, number: int) -> Canonical | None:
        """Return None: for a file, this is not faster than reading the rows one by one."""
        return None

    def outside(self, read: ReadSeals) -> Iterator[Kept | str]:
        """Yield the entries that are in none of the seals 1 to ``read.last``; a database keeps its indexes right."""
        query = (
            f"SELECT {ENTRY}, step FROM ledger WHERE site = ? AND seal IS NULL AND (receipt, step) > (?, ?) "  # noqa: S608
            "ORDER BY receipt, step LIMIT ?"
        )
        yield from self._pages(query)
        outside = f"SELECT {ENTRY} FROM ledger WHERE site = ? AND seal > ? ORDER BY seal, place LIMIT ?"  # noqa: S608
        before = f"SELECT {ENTRY} FROM ledger WHERE site = ? AND seal < ? ORDER BY seal, place LIMIT ?"  # noqa: S608
        with self._reading(slow=True) as session:
            # The first of them is a finding, or belongs to a seal that was added meanwhile.
            rows = session.rows(before, self.site, 1, PAGE) + session.rows(outside, self.site, read.last, PAGE)
        for row in rows:
            yield kept_of(self.site, row)

    def tombstones(self, first: int = 1) -> Iterator[Kept]:
        """Yield the tombstones that are in no seal, or in seals from number ``first`` on."""
        query = (
            f"SELECT {ENTRY}, step FROM ledger WHERE site = ? AND seal IS NULL AND act = '{Act.ERASE.value}' "  # noqa: S608
            "AND (receipt, step) > (?, ?) ORDER BY receipt, step LIMIT ?"
        )
        yield from self._pages(query)
        sealed = (
            f"SELECT {ENTRY} FROM ledger WHERE site = ? AND seal >= ? AND seal < ? "  # noqa: S608
            f"AND act = '{Act.ERASE.value}' ORDER BY seal, place"
        )
        last = self.last_seal()
        for at in range(first, last.number + 1 if last else 0, SEALS):
            with self._reading(slow=True) as session:
                rows = session.rows(sealed, self.site, at, at + SEALS)
            for row in rows:
                yield kept_of(self.site, row)

    def faults(self) -> list[str]:
        """Return an empty list: nobody else can change the settings of an embedded store."""
        return []

    def purge(self, before: int) -> int:
        """Drop the entries and leaves of seals dated before that day, and return the number of entries."""
        query = (
            "SELECT number, day FROM seals WHERE site = ? AND day < ? AND leaves IS NOT NULL ORDER BY number LIMIT ?"
        )
        dropped = 0
        days: set[int] = set()
        while True:
            with self._transaction(alone=True) as session:
                found = session.rows(query, self.site, before, PURGE)
                due = [(self.site, number) for number, _ in found]
                days |= {number_in(day) for _, day in found}
                dropped += session.change_all("DELETE FROM ledger WHERE site = ? AND seal = ?", due)
                session.change_all("UPDATE seals SET leaves = NULL WHERE site = ? AND number = ?", due)
            if len(due) < PURGE:
                break
        if dropped:
            self._wipe(days, patient=True)
        return dropped
