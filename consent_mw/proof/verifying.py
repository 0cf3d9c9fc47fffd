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
(7) If the owner recorded a head, the chain still contains it. A chain that was cut short passes all other steps.
(8) If asked for, each notice that an entry refers to exists and is unaltered.

Each entry is read once: the walk over the seals reads the sealed entries, and the store yields the rest. A large
ledger is verified by several processes, each of which takes a part of the chain (:func:`verify_in_parallel`), or only
from a :class:`Checkpoint`, the last seal of an earlier verification.

Limits: an entry is proved once it is sealed, not before. A verification from a checkpoint does not find changes to
earlier parts of the chain, except to the checkpoint's seal itself. Entries that are written or erased while this runs
are read again before they count as a finding. Today's date comes from the clock of the verifying machine.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from consent_mw.core.seal import MARK
from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.core.seal import merkle_root
from consent_mw.errors import RecordsError
from consent_mw.proof.findings import BEGINNING
from consent_mw.proof.findings import ChainPart
from consent_mw.proof.findings import Checkpoint
from consent_mw.proof.findings import Finding
from consent_mw.proof.findings import FindingKind
from consent_mw.proof.findings import Verification
from consent_mw.proof.findings import VerificationRules
from consent_mw.proof.signing import is_signed
from consent_mw.proof.signing import key_name
from consent_mw.proof.workers import worker_pool
from consent_mw.records import Ledger
from consent_mw.records import ReadSeals
from consent_mw.records import open_records

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Checkpoint", "Finding", "FindingKind", "Verification", "verify", "verify_in_parallel"]

# Number of seals that are read at once; with its leaves each is up to half a megabyte.
_BATCH = 16
# Later than any seal.
_NEVER = 2**31 - 1


def verify(
    records: Ledger,
    *,
    site: str,
    keys: tuple[str, ...],
    today: int,
    record_days: int,
    head: str = "",
    notices: bool = False,
    since: Checkpoint | None = None,
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
        since: The seal to continue from: it must be in the chain, and only the part after it is checked.

    Raises:
        RecordsError: the store fails.
    """
    walk = _Walk(records, VerificationRules(site, keys, today, record_days, head.lower()), since or BEGINNING)
    return walk.result(lambda: walk.chain(_NEVER), notices=notices)


def verify_in_parallel(
    url: str,
    *,
    jobs: int,
    site: str,
    keys: tuple[str, ...],
    today: int,
    record_days: int,
    head: str = "",
    notices: bool = False,
    since: Checkpoint | None = None,
) -> Verification:
    """
    Verify as :func:`verify` does, in several processes that each read the store at ``url``.

    Args:
        jobs: Number of processes.

    Raises:
        RecordsError: the store fails.
    """
    rules = VerificationRules(site, keys, today, record_days, head.lower())
    with closing(open_records(url, site=site)) as records:
        walk = _Walk(records, rules, since or BEGINNING)
        with worker_pool(jobs) as pool:
            return walk.result(lambda: walk.in_parts(pool, url, jobs), notices=notices)


class _Found(Exception):
    """Carries the finding out of the walk."""

    def __init__(
        self, kind: FindingKind, what: str, seal: int | None = None, place: int | None = None, receipt: str = ""
    ) -> None:
        super().__init__(what)
        self.finding = Finding(kind, what, seal, place, receipt)


def _verify_part(url: str, rules: VerificationRules, since: Checkpoint, last: int) -> ChainPart:
    """Verify the seals after ``since`` up to number ``last``; runs in a worker process."""
    with closing(open_records(url, site=rules.site)) as records:
        walk = _Walk(records, rules, since)
        try:
            walk.chain(last)
        except _Found as found:
            walk.part.finding = found.finding
        return walk.part


class _Walk:
    """One verification, or a part of it."""

    def __init__(self, records: Ledger, rules: VerificationRules, since: Checkpoint) -> None:
        self.records = records
        self.rules = rules
        self.since = since
        self.part = ChainPart(since, noted=not rules.head or bool(since.seal and since.head.hex() == rules.head))
        self.tombstones: set[tuple[int, int]] | None = None
        self.waiting = 0

    def result(self, chain: Callable[[], None], *, notices: bool) -> Verification:
        finding = None
        try:
            self.resume()
            chain()
            if not self.part.noted:  # (7)
                end = f"which ends at seal {self.last}" if self.last else "which is empty"
                what = f"The recorded head is not in the chain, {end}: later seals were removed or replaced."
                raise _Found(FindingKind.TRUNCATED, what, self.last or None)
            self.rest()
            if notices:
                self.notices()
        except _Found as found:
            finding = found.finding
        part = self.part
        return Verification(
            finding,
            self.last - self.since.seal,
            part.entries,
            part.erased,
            part.purged,
            self.waiting,
            part.end.head.hex() if self.last else "",
            bool(self.rules.keys),
        )

    @property
    def last(self) -> int:
        """The number of the last seal that was checked."""
        return self.part.end.seal

    # -- the chain

    def resume(self) -> None:
        """Check that the checkpoint's seal is still in the chain."""
        if not self.since.seal:
            return
        with _readable(FindingKind.SEAL, f"Seal {self.since.seal} cannot be read: it was changed."):
            found = next(iter(self.records.seals(self.since.seal, 1)), None)
        if found is None or found.number != self.since.seal or found.hash != self.since.head:
            what = f"Seal {self.since.seal}, up to which the ledger was verified before, is not there any more."
            raise _Found(FindingKind.TRUNCATED, what, self.since.seal)

    def chain(self, last: int) -> None:
        """Check the seals up to the number ``last``."""
        with _readable(FindingKind.SEAL, "A seal cannot be read: it was changed."):
            for seal in _seals(self.records, self.last + 1):
                if seal.number > last:
                    return
                if seal.number != self.last + 1:  # (1)
                    raise _Found(
                        FindingKind.CHAIN,
                        f"Seal {self.last + 1} is missing: seal {seal.number} comes next.",
                        self.last + 1,
                    )
                if seal.site != self.rules.site:
                    raise _Found(FindingKind.SEAL, f"Seal {seal.number} is one of another site.", seal.number)
                self.link(seal)
                self.leaves(seal)
                self.part.end = Checkpoint(seal.number, seal.hash)
                self.part.noted = self.part.noted or seal.hash.hex() == self.rules.head

    def in_parts(self, pool: Executor, url: str, jobs: int) -> None:
        """Check the chain in parts, each of which starts from the stored hash of the previous seal."""
        newest = self.records.last_seal()
        seals = max(newest.number if newest else 0, self.last) - self.last
        # Several parts per process, so that a slow one does not leave the other processes without work.
        size = -(-seals // (4 * jobs)) or 1
        parts = []
        for first in range(self.last, self.last + seals, size):
            before = next(iter(self.records.seals(first, 1)), None) if first else None
            since = Checkpoint(first, before.hash if before else NO_SEAL) if first != self.last else self.part.end
            parts.append(pool.submit(_verify_part, url, self.rules, since, first + size))
        for part in parts:
            self.part.add(part.result())
            if self.part.finding is not None:
                raise _Found(**{one.name: getattr(self.part.finding, one.name) for one in fields(Finding)})
        self.chain(_NEVER)  # seals that were added meanwhile

    def link(self, seal: Seal) -> None:
        """Check a seal itself, and its link to the previous one."""
        number = seal.number
        fits = seal.previous == self.part.end.head
        keys = self.rules.keys
        if keys and not is_signed(seal, keys):  # (2)
            after = next(iter(self.records.seals(number + 1, 1)), None)
            # The seal itself is unchanged if the next one, which is signed, contains its hash.
            confirmed = after is not None and after.previous == seal.hash and is_signed(after, keys)
            if not (fits and self.holds(seal)):
                raise _Found(FindingKind.SEAL, f"Seal {number} was changed after it was signed.", number)
            name = seal.signature.partition(".")[0]
            if name and name not in {key_name(key) for key in keys}:
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
        listed = seal.leaves
        if listed is not None and self.is_intact(seal, listed):
            self.part.entries += seal.size
            self.part.there += seal.size
            return
        rows = self.sealed(seal.number)
        if listed is not None and len(rows) == seal.size and len(listed) == seal.size:
            straight = all(row.place == place for place, row in enumerate(rows))
            if straight and tuple(row.entry.leaf for row in rows) == listed and merkle_root(listed) == seal.root:
                self.part.entries += seal.size
                self.part.there += seal.size
                self.note(rows)
                return
        rows = self.sealed(seal.number)
        self.part.there += len(rows)
        self.note(rows)
        self.places(seal, rows)

    def is_intact(self, seal: Seal, listed: tuple[bytes, ...]) -> bool:
        """Return whether a store that can tell quickly has every entry of a seal in its place, unaltered."""
        quick = self.records.canonical(seal.number)
        if quick is None or len(quick.entries) != seal.size:
            return False
        if tuple(hashlib.sha256(b"\x00" + entry).digest() for entry in quick.entries) != listed:
            return False
        for digest in quick.notices:
            self.part.shown.setdefault(digest, seal.number)
        return merkle_root(listed) == seal.root

    def note(self, rows: list[Kept]) -> None:
        """Record the notices that entries refer to."""
        shown = self.part.shown
        for row in rows:
            if row.entry.notice not in shown:
                shown[row.entry.notice] = row

    def sealed(self, number: int) -> list[Kept]:
        with _readable(
            FindingKind.EDITED, f"An entry of seal {number} cannot be read: it was changed after it was sealed.", number
        ):
            return self.records.sealed(number)

    def places(self, seal: Seal, rows: list[Kept]) -> None:
        """Compare the leaves of a seal with its entries."""
        number = seal.number
        over = seal.day + self.rules.record_days < self.rules.today
        if seal.leaves is None:  # (4)
            # The newest seal proves no date: a machine whose clock was ahead may have made it, and purged too.
            if not over:
                what = (
                    f"The entries of seal {number} were purged before {self.rules.record_days} days were over"
                    " (or the clock of a machine was wrong, or the setting record_days was raised since)."
                )
                raise _Found(FindingKind.PURGED, what, number)
            if rows and merkle_root([row.entry.leaf for row in rows]) != seal.root:
                self.astray(rows[0], f"The entries of seal {number} were purged, and it is not one of them.")
            self.part.purged += seal.size
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
                self.part.entries += 1
        for nowhere, there in at.items():
            self.astray(there[0], f"Seal {number} has {seal.size} places, but no place {nowhere}.")

    def absent(self, seal: Seal, place: int, leaf: bytes, over: bool) -> None:
        """Decide whether an empty place is allowed."""
        number = seal.number
        if over:
            self.part.purged += 1
            return
        if self.is_erased(number, place):
            self.part.erased += 1
            self.part.excused.add((number, place))
            return
        for row in self.every():
            if row.entry.leaf == leaf:
                now = f"at {row.seal}/{row.place}" if row.seal is not None else "among the unsealed entries"
                what = f"The entry that was sealed at {number}/{place} is now {now}."
                raise _Found(FindingKind.MOVED, what, number, place, row.entry.receipt)
        # A later seal has an earlier date only if a clock was set back; the tombstone may have been purged with it.
        if any(other.leaves is None for other in _seals(self.records, number + 1)):
            self.part.erased += 1
            self.part.excused.add((number, place))
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
            # Read the tombstones again, too: the entry may have been erased meanwhile.
            self.tombstones = {about for row in self.stones() if (about := _about(row)) is not None}
        return (number, place) in self.tombstones

    def stones(self) -> Iterator[Kept]:
        """Yield the tombstones after the checkpoint."""
        with _readable(FindingKind.EDITED, "An entry cannot be read: it was changed."):
            yield from self.records.tombstones(self.since.seal + 1)

    def every(self) -> Iterator[Kept]:
        """Yield every entry, including those that claim a wrong place."""
        with _readable(FindingKind.EDITED, "An entry cannot be read: it was changed."):
            yield from self.records.entries()

    # -- entries outside the chain

    def rest(self) -> None:
        """Check the entries that are in no seal, the tombstones, and the index of the store (6)."""
        dangling = None
        read = ReadSeals(self.since.seal + 1, self.last, self.part.there)
        with _readable(FindingKind.EDITED, "An entry cannot be read: it was changed."):
            for row in self.records.outside(read):
                if isinstance(row, str):
                    dangling = row if dangling is None else dangling
                    continue
                self.note([row])
                if row.seal is None and row.place is None:
                    self.waiting += 1
                elif row.seal is None or row.place is None or not self.exists(row.seal):
                    self.astray(row, f"It claims the place {row.place} of seal {row.seal}, which does not exist.")
        self.gone(list(self.stones()))
        if dangling is not None:
            raise _Found(FindingKind.REMOVED, "The store's index leads to an entry that is gone.", receipt=dangling)

    def exists(self, number: int) -> bool:
        return 1 <= number <= self.last or any(seal.number == number for seal in self.records.seals(number, 1))

    def gone(self, stones: list[Kept]) -> None:
        """Check that the entries of tombstones existed and are gone; each seal is read once."""
        by_seal: dict[int, list[tuple[int, Kept]]] = {}
        for row in stones:
            about = _about(row)
            if row.entry.about == MARK:
                continue  # it is about no place
            if about is None or about not in self.part.excused:
                by_seal.setdefault(about[0] if about else 0, []).append((about[1] if about else 0, row))
        for number, listed in by_seal.items():
            seal = next(iter(self.records.seals(number, 1)), None) if number else None
            there = {other.place for other in self.sealed(number)} if seal and seal.leaves is not None else set()
            for place, row in listed:
                if seal is None or seal.number != number or not 0 <= place < seal.size:
                    what = "There is a tombstone for an entry that never existed."
                    raise _Found(FindingKind.INSERTED, what, row.seal, row.place, row.entry.receipt)
                if place in there:
                    what = f"There is a tombstone for the entry at {number}/{place}, but the entry is still there."
                    raise _Found(FindingKind.INSERTED, what, row.seal, row.place, row.entry.receipt)

    def notices(self) -> None:
        """Check the notices that entries refer to (8)."""
        for digest, row in sorted(self.part.shown.items()):
            if not digest:
                continue
            if isinstance(row, int):
                row = next(one for one in self.sealed(row) if one.entry.notice == digest)
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
    """Return the seal and place that a tombstone refers to, or None if the entry is not a tombstone."""
    number, slash, place = row.entry.about.partition("/")
    if row.entry.act is not Act.ERASE or not (slash and _plain(number) and _plain(place)):
        return None
    return int(number), int(place)


def _plain(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
