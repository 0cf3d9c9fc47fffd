"""
Verifying a ledger: finds any change to it after it was sealed.

Theory of operation. An attacker who can write to the store, but has none of the keys, cannot hide a change to anything
that was sealed. :func:`verify` walks the whole chain, one seal at a time, and reports the first difference.

The steps of :func:`verify`; the numbers are repeated in the code:

(1) The seals count from 1 without gaps.
(2) Each is signed by one of the site's keys.
(3) Each contains the hash of the previous one.
(4) The leaves of each seal match its size and root. They may be missing once their retention is over.
(5) Each place holds the entry that belongs to its leaf, or there is a tombstone for it.
(6) No entry refers to a seal that does not exist, no tombstone to an entry that is still there, and no index of the
    store to an entry that is gone.
(7) If the owner recorded a head of the chain, it is still in it. A chain that was cut short passes all other steps.
(8) If asked for, each notice that an entry refers to exists and is unaltered.

Limits: an entry is proved once it is sealed, not before. Entries that are written or erased while this runs are
read again before they count as a finding. Today's date is that of the machine that verifies.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.core.seal import merkle_root
from consent_mw.errors import RecordsError
from consent_mw.proof.signing import is_signed
from consent_mw.proof.signing import key_name
from consent_mw.records import Ledger

__all__ = ["Finding", "FindingKind", "Verification", "verify"]

# Number of seals that are read at once; with its leaves each is up to half a megabyte.
_BATCH = 16


class FindingKind(Enum):
    """The kinds of findings."""

    #: The entry at a place is not the one that was sealed there.
    EDITED = "edited"
    #: A place is empty, and there is no tombstone for it.
    REMOVED = "removed"
    #: An entry claims a place that is taken or does not exist.
    INSERTED = "inserted"
    #: A sealed entry is in another place.
    MOVED = "moved"
    #: A seal is missing, or does not refer to the previous one.
    CHAIN = "chain broken"
    #: A seal, or its list of leaves, was changed.
    SEAL = "seal edited"
    #: A seal is unchanged, but its signature was changed.
    SIGNATURE = "signature wrong"
    #: A seal was signed by a key that was not given.
    KEY = "key unknown"
    #: Entries were dropped before their retention was over.
    PURGED = "purged too early"
    #: The recorded head is not in the chain.
    TRUNCATED = "chain cut short"
    #: A notice is missing or was changed.
    NOTICE = "notice lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The first change that was found.

    Args:
        what: A description, in one sentence.
        seal: The number of the seal in question, or None.
        place: The place in it, or None.
        receipt: The receipt of the entry in question, or empty.
    """

    kind: FindingKind
    what: str
    seal: int | None = None
    place: int | None = None
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """
    The result of a verification. With a finding, the numbers are those up to it.

    Args:
        finding: None if nothing was changed since it was sealed.
        seals: Number of seals that were checked.
        entries: Number of intact entries in them.
        erased: Number of entries that were erased on request, and left a tombstone.
        purged: Number of entries that were dropped when their retention was over.
        waiting: Number of entries that are not sealed yet, and prove nothing yet.
        head: The hash of the last seal, in hex; empty without seals. Record it elsewhere to detect later that the
            chain was cut short.
        signed: False if no key was given, so that no signature was checked.
    """

    finding: Finding | None
    seals: int
    entries: int
    erased: int
    purged: int
    waiting: int
    head: str
    signed: bool

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return self.finding is None


def verify(
    records: Ledger,
    *,
    site: str,
    keys: tuple[str, ...],
    today: int,
    record_days: int,
    head: str = "",
    notices: bool = False,
) -> Verification:
    """
    Verify the chain of a site from its first seal, and return the result.

    Memory grows with the number of erasures, but not with the size of the ledger.

    Args:
        site: The site's id.
        keys: All keys that ever signed; if there are none, signatures are not checked.
        today: Whole days since 1970-01-01 UTC.
        record_days: Days for which entries must be kept after they were sealed.
        head: The hash of a seal that was recorded earlier, in hex.
        notices: Whether to check the notices too.

    Raises:
        RecordsError: the store fails.
    """
    return _Walk(records, site, keys, today, record_days).result(head.lower(), notices)


class _Found(Exception):
    """Carries the finding out of the walk."""

    def __init__(
        self, kind: FindingKind, what: str, seal: int | None = None, place: int | None = None, receipt: str = ""
    ) -> None:
        super().__init__(what)
        self.finding = Finding(kind, what, seal, place, receipt)


class _Walk:
    """One verification."""

    def __init__(self, records: Ledger, site: str, keys: tuple[str, ...], today: int, record_days: int) -> None:
        self.records = records
        self.site = site
        self.keys = keys
        self.record_days = record_days
        self.today = today
        self.seals = self.entries = self.erased = self.purged = self.waiting = 0
        self.head = NO_SEAL
        self.tombstones: set[tuple[int, int]] | None = None
        self.excused: set[tuple[int, int]] = set()

    def result(self, head: str, notices: bool) -> Verification:
        finding = None
        try:
            with _readable(FindingKind.SEAL, "A seal cannot be read: it was changed."):
                self.chain(head)
            self.rest()
            if notices:
                self.notices()
        except _Found as found:
            finding = found.finding
        return Verification(
            finding,
            self.seals,
            self.entries,
            self.erased,
            self.purged,
            self.waiting,
            self.head.hex() if self.seals else "",
            bool(self.keys),
        )

    # -- the chain

    def chain(self, head: str) -> None:
        noted = not head
        for seal in _seals(self.records):
            if seal.number != self.seals + 1:  # (1)
                raise _Found(
                    FindingKind.CHAIN,
                    f"Seal {self.seals + 1} is missing: seal {seal.number} comes next.",
                    self.seals + 1,
                )
            if seal.site != self.site:
                raise _Found(FindingKind.SEAL, f"Seal {seal.number} is one of another site.", seal.number)
            self.link(seal)
            self.leaves(seal)
            self.head = seal.hash
            self.seals += 1
            noted = noted or self.head.hex() == head
        if not noted:  # (7)
            what = f"The recorded head is in none of the {self.seals} seals: later ones were removed or replaced."
            raise _Found(FindingKind.TRUNCATED, what, self.seals or None)

    def link(self, seal: Seal) -> None:
        """Check a seal itself, and its link to the previous one."""
        number = seal.number
        fits = seal.previous == self.head
        if self.keys and not is_signed(seal, self.keys):  # (2)
            after = next(iter(self.records.seals(number + 1, 1)), None)
            # The seal itself is unchanged if the next one, which is signed, contains its hash.
            confirmed = after is not None and after.previous == seal.hash and is_signed(after, self.keys)
            if not (fits and self.holds(seal)):
                raise _Found(FindingKind.SEAL, f"Seal {number} was changed after it was signed.", number)
            name = seal.signature.partition(".")[0]
            if name and name not in {key_name(key) for key in self.keys}:
                what = f"Seal {number} was signed by the key {name!r}, which is not among those given."
                raise _Found(FindingKind.KEY, what, number)
            if confirmed:
                raise _Found(FindingKind.SIGNATURE, f"The signature of seal {number} was changed.", number)
            if after is None:
                what = f"Seal {number}, the last one, does not match its signature: one of the two was edited."
                raise _Found(FindingKind.SIGNATURE, what, number)
            raise _Found(FindingKind.SEAL, f"Seal {number} was changed after it was signed.", number)
        if not fits:  # (3)
            what = f"does not follow seal {number - 1} as stored" if number > 1 else "is not the first of its chain"
            raise _Found(FindingKind.CHAIN, f"Seal {number} {what}.", number)

    @staticmethod
    def holds(seal: Seal) -> bool:
        """Return whether the leaves of a seal match its size and root, or were purged."""
        return seal.leaves is None or (len(seal.leaves) == seal.size and merkle_root(seal.leaves) == seal.root)

    def leaves(self, seal: Seal) -> None:
        """Check the entries of a seal; on a mismatch, read them again before it counts as a finding."""
        rows = self.sealed(seal.number)
        listed = seal.leaves
        if listed is not None and len(rows) == seal.size and len(listed) == seal.size:
            straight = all(row.place == place for place, row in enumerate(rows))
            if straight and tuple(row.entry.leaf for row in rows) == listed and merkle_root(listed) == seal.root:
                self.entries += seal.size
                return
        self.places(seal, self.sealed(seal.number))

    def sealed(self, number: int) -> list[Kept]:
        with _readable(
            FindingKind.EDITED, f"An entry of seal {number} cannot be read: it was changed after it was sealed.", number
        ):
            return self.records.sealed(number)

    def places(self, seal: Seal, rows: list[Kept]) -> None:
        """Compare the leaves of a seal with its entries."""
        number = seal.number
        over = seal.day + self.record_days < self.today
        if seal.leaves is None:  # (4)
            # The newest seal proves no date: a machine whose clock was ahead may have made it, and purged too.
            if not over:
                what = (
                    f"The entries of seal {number} were purged before {self.record_days} days were over"
                    " (or the clock of a machine was wrong, or the setting record_days was raised since)."
                )
                raise _Found(FindingKind.PURGED, what, number)
            if rows and merkle_root([row.entry.leaf for row in rows]) != seal.root:
                self.astray(rows[0], f"The entries of seal {number} were purged, and it is not one of them.")
            self.purged += seal.size
            return
        if not self.holds(seal):
            what = f"The list of leaves of seal {number} is not the one that was sealed."
            raise _Found(FindingKind.SEAL, what, number)
        at: dict[int | None, list[Kept]] = {}
        for row in rows:
            at.setdefault(row.place, []).append(row)
        for place, leaf in enumerate(seal.leaves):  # (5)
            there = at.pop(place, [])
            strange = [row for row in there if row.entry.leaf != leaf]
            if not there:
                self.absent(seal, place, leaf, over)
            elif len(strange) == len(there):
                self.differs(strange[0])
            elif strange:
                self.astray(strange[0], f"Place {place} of seal {number} is taken.")
            else:
                self.entries += 1
        for nowhere, there in at.items():
            self.astray(there[0], f"Seal {number} has {seal.size} places, but no place {nowhere}.")

    def absent(self, seal: Seal, place: int, leaf: bytes, over: bool) -> None:
        """Judge an empty place."""
        number = seal.number
        if over:
            self.purged += 1
            return
        if self.is_erased(number, place):
            self.erased += 1
            self.excused.add((number, place))
            return
        for row in self.every():
            if row.entry.leaf == leaf:
                now = f"at {row.seal}/{row.place}" if row.seal is not None else "among the unsealed entries"
                what = f"The entry that was sealed at {number}/{place} is now {now}."
                raise _Found(FindingKind.MOVED, what, number, place, row.entry.receipt)
        # A later seal can only have an earlier date if a clock went back; the tombstone may have been purged with it.
        if any(other.leaves is None for other in _seals(self.records, number + 1)):
            self.erased += 1
            self.excused.add((number, place))
            return
        what = f"The entry that was sealed at {number}/{place} is gone, and there is no tombstone for it."
        raise _Found(FindingKind.REMOVED, what, number, place)

    def differs(self, row: Kept) -> None:
        """Raise the finding for an entry that does not belong to its place."""
        self.moved(row)
        what = f"The entry at {row.seal}/{row.place} was changed after it was sealed."
        raise _Found(FindingKind.EDITED, what, row.seal, row.place, row.entry.receipt)

    def astray(self, row: Kept, why: str) -> None:
        """Raise the finding for an entry that has no place in a seal."""
        self.moved(row)
        raise _Found(FindingKind.INSERTED, f"An entry was inserted. {why}", row.seal, row.place, row.entry.receipt)

    def moved(self, row: Kept) -> None:
        """Raise a finding if the entry was sealed in another place."""
        leaf = row.entry.leaf
        for seal in _seals(self.records):
            if seal.leaves is not None and leaf in seal.leaves:
                what = f"The entry at {row.seal}/{row.place} was sealed at {seal.number}/{seal.leaves.index(leaf)}."
                raise _Found(FindingKind.MOVED, what, row.seal, row.place, row.entry.receipt)

    def is_erased(self, number: int, place: int) -> bool:
        """Return whether there is a tombstone for the entry at that place."""
        if self.tombstones is None or (number, place) not in self.tombstones:
            # Read them again, too: the entry may have been erased meanwhile.
            self.tombstones = {about for row in self.every() if (about := _about(row)) is not None}
        return (number, place) in self.tombstones

    def every(self) -> Iterator[Kept]:
        """Yield every entry, whatever place it claims."""
        with _readable(FindingKind.EDITED, "An entry cannot be read: it was changed."):
            yield from self.records.entries()

    # -- entries outside of the chain

    def rest(self) -> None:
        """Check the entries that are in no seal (6)."""
        for row in self.every():
            if row.seal is None and row.place is None:
                self.waiting += 1
            elif row.seal is None or row.place is None or not self.exists(row.seal):
                self.astray(row, f"It claims the place {row.place} of seal {row.seal}, which does not exist.")
            if row.entry.act is Act.ERASE:
                self.tombstone(row)
        for receipt in self.records.dangling():
            raise _Found(FindingKind.REMOVED, "The store's index leads to an entry that is gone.", receipt=receipt)

    def exists(self, number: int) -> bool:
        return 1 <= number <= self.seals or any(seal.number == number for seal in self.records.seals(number, 1))

    def tombstone(self, row: Kept) -> None:
        """Check that the entry of a tombstone existed and is gone."""
        about = _about(row)
        if about is not None and about in self.excused:
            return
        seal = None if about is None else next(iter(self.records.seals(about[0], 1)), None)
        if about is None or seal is None or seal.number != about[0] or not 0 <= about[1] < seal.size:
            what = "There is a tombstone for an entry that never existed."
            raise _Found(FindingKind.INSERTED, what, row.seal, row.place, row.entry.receipt)
        if seal.leaves is not None and any(other.place == about[1] for other in self.sealed(seal.number)):
            what = f"There is a tombstone for the entry at {about[0]}/{about[1]}, but the entry is still there."
            raise _Found(FindingKind.INSERTED, what, row.seal, row.place, row.entry.receipt)

    def notices(self) -> None:
        """Check the notices that entries refer to (8)."""
        seen: set[str] = set()
        for row in self.every():
            digest = row.entry.notice
            if not digest or digest in seen:
                continue
            seen.add(digest)
            with _readable(FindingKind.NOTICE, f"The notice {digest} was changed."):
                document = self.records.notice(digest)
            if document is None or hashlib.sha256(document).hexdigest() != digest:
                how = "is missing" if document is None else "was changed"
                what = f"The notice {digest} {how}."
                raise _Found(FindingKind.NOTICE, what, row.seal, row.place, row.entry.receipt)


@contextmanager
def _readable(kind: FindingKind, what: str, seal: int | None = None) -> Iterator[None]:
    """Turn unreadable data into a finding; a failing store remains an error."""
    try:
        yield
    except RecordsError as error:
        if not isinstance(error.__cause__, ValueError | TypeError | zlib.error):
            raise
        raise _Found(kind, what, seal) from None
    except (ValueError, TypeError):
        raise _Found(kind, what, seal) from None


def _seals(records: Ledger, first: int = 1) -> Iterator[Seal]:
    """Yield the seals from number ``first`` on."""
    while batch := records.seals(first, _BATCH):
        yield from batch
        first = batch[-1].number + 1


def _about(row: Kept) -> tuple[int, int] | None:
    """Return the seal and place that a tombstone refers to, or None if the entry is no tombstone."""
    number, slash, place = row.entry.about.partition("/")
    if row.entry.act is not Act.ERASE or not (slash and _plain(number) and _plain(place)):
        return None
    return int(number), int(place)


def _plain(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
