"""
Sealing what is new in a ledger.

Any process may do it, at any time: who loses the race for the next link of the
chain changes nothing, and finds the entries sealed. What :func:`verify` does
stands in :mod:`consent_mw.proof.verifying`.
"""

from __future__ import annotations

from dataclasses import replace

from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.core.seal import merkle_root
from consent_mw.proof.signing import sign
from consent_mw.proof.verifying import Finding
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import Verification
from consent_mw.proof.verifying import verify
from consent_mw.records import Ledger

__all__ = ["MOST", "Finding", "FindingKind", "Verification", "seal_new", "verify"]

#: How many entries one seal covers at the most.
MOST = 5_000


def seal_new(records: Ledger, *, site: str, keys: tuple[str, ...], today: int) -> int:
    """
    Seal up to :data:`MOST` of the entries that wait, and return how many; 0 where none waits or another was faster.

    Args:
        site: The site's id.
        keys: Oldest first; the last one signs.
        today: Whole days since 1970-01-01 UTC.

    Raises:
        RecordsError: the store fails.
    """
    entries = in_order(records.unsealed(MOST))
    if not entries:
        return 0
    last = records.last_seal()
    leaves = tuple(entry.leaf for entry in entries)
    seal = Seal(
        site=site,
        number=last.number + 1 if last else 1,
        day=today,
        size=len(leaves),
        root=merkle_root(leaves),
        previous=last.hash if last else NO_SEAL,
        leaves=leaves,
    )
    seal = replace(seal, signature=sign(seal, keys))
    return len(entries) if records.add_seal(seal, entries) else 0
