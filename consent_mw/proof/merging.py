"""
Merging two ledgers of one site that both took records, for example after a network split.

Theory of operation. The two chains are the same up to some seal, and differ from there on. A chain cannot be changed
afterwards, so the target keeps its own: it takes those entries of the source that it lacks, and seals them like new
ones.

(1) Both ledgers are verified first. An entry that nobody can vouch for is not taken.
(2) Erasures count in both directions. What the source erased is erased in the target, and what the target erased is not
    taken. An erased record is recognised by its mark (:mod:`consent_mw.proof.erasing`), or by its leaf in the seal from
    which it was erased, whatever place it has in the other ledger.
(3) Both ledgers are read once, in the order of their receipts, so that memory does not grow with them.
(4) Of an entry that both have, the target's stays. Only a grant that was written again from a cookie gives way to the
    original, as long as it is not sealed.
(5) An entry whose retention is over is not taken: it may have been purged in the target.

Merging again changes nothing. The receipts that visitors downloaded from the source verify from their files, but their
seals are not in the merged chain, so keep the source. Counts and figures are not merged: both have those from before
the split, and nobody can tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import BATCH
from consent_mw.proof.erasing import erase_also
from consent_mw.proof.erasing import erased_in
from consent_mw.proof.erasing import marks_of
from consent_mw.proof.verifying import verify
from consent_mw.records import Ledger
from consent_mw.records import Records

__all__ = ["Merged", "NotIntact", "merge_records"]


class NotIntact(RecordsError):
    """One of the ledgers does not verify, so nothing was merged."""


@dataclass(slots=True)
class Merged:
    """
    What a merge did, in numbers of entries.

    Args:
        taken: Entries that only the source had.
        both: Entries that both have.
        different: Entries that both have with different content; the target's stayed.
        refused: Entries that were not taken, because the target has erased their receipt.
        erased: Entries of the target that were erased, because the source has erased their receipt.
        expired: Entries that were not taken, because their retention is over.
        notices: Notices that the target lacked.
    """

    taken: int = 0
    both: int = 0
    different: int = 0
    refused: int = 0
    erased: int = 0
    expired: int = 0
    notices: int = 0


def merge_records(
    source: Records, target: Records, *, site: str, keys: Sequence[str], today: int, record_days: int
) -> Merged:
    """
    Take the entries of one ledger of a site into another.

    Args:
        site: The site's id.
        keys: Signing keys, oldest first; the last one is in use.
        today: Whole days since 1970-01-01 UTC.
        record_days: Days for which entries are kept after they were sealed.

    Raises:
        NotIntact: if one of the ledgers does not verify; nothing was changed.
        RecordsError: if a store fails; merging again continues.
    """
    for name, records in (("The ledger to take from", source), ("The ledger to merge into", target)):  # (1)
        found = verify(records, site=site, keys=tuple(keys), today=today, record_days=record_days, notices=True).finding
        if found is not None:
            raise NotIntact(f"{name} does not verify ({found.kind.value}), so nothing was merged. {found.what}")
    erased = erase_also(target, erased_in(source), site=site, keys=keys, today=today)  # (2)
    merge = _Merge(source, target, site, keys)
    merge.done.erased = erased
    for ours, theirs in _pairs(source, target):  # (3)
        if ours.entry.act is Act.ERASE:
            continue  # its mark is there, and a tombstone is about its own chain
        if theirs is not None:
            merge.compare(ours, theirs)
        elif ours.entry.day + record_days < today:  # (5)
            merge.done.expired += 1
        else:
            merge.take(ours.entry)
    merge.flush()
    known = target.observed()
    target.observe({what: where for what, where in source.observed().items() if what not in known})
    return merge.done


class _Merge:
    """One merge."""

    def __init__(self, source: Records, target: Records, site: str, keys: Sequence[str]) -> None:
        self.source = source
        self.target = target
        self.site = site
        self.keys = keys
        self.done = Merged()
        #: What the target has erased.
        self.gone = erased_in(target)
        self._batch: list[Entry] = []
        self._marks: dict[str, Sequence[str]] = {}
        self._notices: set[str] = {""}

    def compare(self, ours: Kept, theirs: Kept) -> None:
        """Count an entry that both have, or replace ours by the original (4)."""
        if ours.entry == theirs.entry or ours.entry.about == FROM_COOKIE:
            self.done.both += 1
        elif theirs.entry.about == FROM_COOKIE and theirs.seal is None:
            self._notice(ours.entry.notice)
            self.target.append(ours.entry)
            self.done.taken += 1
        else:
            self.done.different += 1

    def take(self, entry: Entry) -> None:
        """Take an entry, unless the target has erased its receipt."""
        if self.gone.covers(entry, site=self.site, keys=self.keys):
            self.done.refused += 1
            return
        self._notice(entry.notice)
        self._batch.append(entry)
        self._marks[entry.receipt] = marks_of(entry.receipt, site=self.site, keys=self.keys)
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the entries taken; the store refuses those that were erased meanwhile."""
        if self._batch:
            taken = self.target.take(self._batch, self._marks)
            self.done.taken += taken
            self.done.refused += len(self._batch) - taken
        self._batch, self._marks = [], {}

    def _notice(self, digest: str) -> None:
        """Make sure that the target has a notice before the entry that refers to it."""
        if digest in self._notices:
            return
        self._notices.add(digest)
        document = self.source.notice(digest)
        if document is not None and self.target.notice(digest) is None:
            self.target.keep_notice(digest, document)
            self.done.notices += 1


def _pairs(source: Ledger, target: Ledger) -> Iterator[tuple[Kept, Kept | None]]:
    """Yield each entry of the source, with that of the target under the same receipt and step."""
    others = target.entries()
    other = next(others, None)
    for kept in source.entries():
        while other is not None and _key(other) < _key(kept):
            other = next(others, None)
        yield kept, other if other is not None and _key(other) == _key(kept) else None


def _key(kept: Kept) -> tuple[bytes, int]:
    """Return the sort key of entries, which is the same in every store."""
    return kept.entry.receipt.encode("utf-8", "surrogatepass"), kept.entry.step
