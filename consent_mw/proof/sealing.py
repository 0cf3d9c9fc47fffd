"""
Sealing the new entries of a ledger.

Theory of operation. A seal covers whole days. Its number reveals when it was made, and so when its entries arrived.
With one seal per minute, a copy of the ledger would reveal the order of nearly all visitors, and almost their time of
day. So a running site seals an entry only after its day is over. Then a seal reveals no more about an entry than the
entry itself: its day. Within a seal, entries are ordered by their hashes. If a day has several seals, they divide its
entries by receipt, which is random.

Limits: an entry that reaches the store days late, from the spool of a machine that was offline, is in a separate seal,
which reveals that it was late. And until its day is over, an entry is not proved.

Any process may seal at any time. If two race for the next link of the chain, the loser changes nothing and finds the
entries sealed. :mod:`consent_mw.proof.verifying` checks the chain.
"""

from __future__ import annotations

from dataclasses import replace

from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.core.seal import merkle_root
from consent_mw.proof.signing import sign
from consent_mw.records import Ledger

__all__ = ["seal_new"]


def seal_new(records: Ledger, *, site: str, keys: tuple[str, ...], today: int, whole_days: bool = False) -> int:
    """
    Seal new entries, and return their number; 0 if there are none or another process was faster.

    One call seals no more than the store takes at once (:meth:`~consent_mw.records.Ledger.most_in_seal`).

    Args:
        site: The site's id.
        keys: Oldest first; the last one signs.
        today: Whole days since 1970-01-01 UTC.
        whole_days: Whether to leave out today's entries, and tomorrow's, which come from machines whose clocks are a
            little ahead.

    Raises:
        RecordsError: if the store fails.
    """
    entries = in_order(records.unsealed(records.most_in_seal(), today if whole_days else None))
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
