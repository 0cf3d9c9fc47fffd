"""
Erasing a receipt for good: nothing that still has a copy of its record may bring it back.

A cookie, another ledger or a backup may still contain what was erased. So an erasure leaves a *mark* in the ledger: an
entry whose number is the HMAC of the erased receipt under the site's newest key. With the receipt and the keys, the
mark can be found; to everybody else it is a random number. Before a record is taken from elsewhere
(:meth:`consent_mw.records.Ledger.take`), the ledger is asked for the marks of its receipt under all keys.

Limits: a mark is sealed, kept and purged like any other entry, so after ``record_days`` it is gone. So records
older than that are never brought back (:mod:`consent_mw.proof.lost`, :mod:`consent_mw.proof.merging`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from functools import lru_cache

from itsdangerous import Signer

from consent_mw.core.seal import ABOUT_NOBODY
from consent_mw.core.seal import MARK
from consent_mw.core.seal import Entry
from consent_mw.core.signing import signer
from consent_mw.records import Ledger

__all__ = ["BATCH", "Erased", "erase", "erase_also", "erased_in", "mark_of", "marks_of"]

#: The most entries that a ledger takes in one transaction.
BATCH = 500

# Domain separation: a mark must not be accepted as a signature, nor reveal one.
_CONTEXT = "consent_mw.erased.v1"


def mark_of(receipt: str, *, site: str, keys: Sequence[str]) -> str:
    """Return the number of the mark that erasing a receipt leaves, under the newest key, which is the last one."""
    return _signer(keys[-1], site).get_signature(receipt).decode("ascii")


def marks_of(receipt: str, *, site: str, keys: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers that the mark of a receipt may have, one for each key that may have been in use then."""
    return tuple(mark_of(receipt, site=site, keys=(key,)) for key in keys)


def erase(records: Ledger, receipt: str, *, site: str, keys: Sequence[str], today: int) -> int:
    """
    Erase the entries of a receipt, leave its mark, and return the number of the entries.

    Args:
        site: The site's id.
        keys: Signing keys, oldest first.
        today: Whole days since 1970-01-01 UTC.

    Raises:
        RecordsError: if the store fails.
    """
    return records.erase(receipt, today, mark_of(receipt, site=site, keys=keys))


@dataclass(frozen=True)
class Erased:
    """
    What a ledger has erased.

    Args:
        marks: The marks.
        leaves: The leaves of erased entries whose seals have not been purged.
    """

    marks: tuple[Entry, ...] = ()
    leaves: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.marks or self.leaves)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers of the marks."""
        return frozenset(entry.receipt for entry in self.marks)

    def joined(self, other: Erased) -> Erased:
        """Return what either ledger has erased."""
        marks = {entry.receipt: entry for entry in (*other.marks, *self.marks)}
        return Erased(tuple(marks.values()), self.leaves | other.leaves)

    def covers(self, entry: Entry, *, site: str, keys: Sequence[str]) -> bool:
        """Return whether an entry of another ledger of the site is one that was erased."""
        if not self or entry.act in ABOUT_NOBODY:
            return False
        return entry.leaf in self.leaves or not self.numbers.isdisjoint(marks_of(entry.receipt, site=site, keys=keys))


def erased_in(records: Ledger) -> Erased:
    """Return what a ledger has erased."""
    marks, places = [], dict[int, set[int]]()
    for kept in records.tombstones():
        seal, slash, place = kept.entry.about.partition("/")
        if kept.entry.about == MARK:
            marks.append(kept.entry)
        elif slash and seal.isdecimal() and place.isdecimal():  # anything else is a finding of verification
            places.setdefault(int(seal), set()).add(int(place))
    leaves = set()
    for number, gone in places.items():
        for found in records.seals(number, 1):
            leaves |= {leaf for at, leaf in enumerate(found.leaves or ()) if at in gone}
    return Erased(tuple(marks), frozenset(leaves))


def erase_also(records: Ledger, erased: Erased, *, site: str, keys: Sequence[str], today: int) -> int:
    """
    Erase what another ledger has erased, and return the number of entries.

    Args:
        erased: From the other ledger; ours gets the marks that it lacks.
        site: The site's id.
        keys: Signing keys, oldest first.
        today: Whole days since 1970-01-01 UTC.
    """
    if not erased:
        return 0
    # The marks go first, so that entries that arrive from elsewhere between the two steps are refused.
    for first in range(0, len(erased.marks), BATCH):
        records.take(erased.marks[first : first + BATCH], {})
    receipts = {kept.entry.receipt for kept in records.entries() if erased.covers(kept.entry, site=site, keys=keys)}
    return sum(erase(records, receipt, site=site, keys=keys, today=today) for receipt in sorted(receipts))


@lru_cache(maxsize=64)
def _signer(key: str, site: str) -> Signer:
    return signer((key,), _CONTEXT, site)
