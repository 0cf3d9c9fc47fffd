"""Rules that every store applies: which entries it accepts, and what an erasure leaves: tombstones and a mark."""

from __future__ import annotations

import secrets

from consent_mw.core.seal import ENDS
from consent_mw.core.seal import GRANTS
from consent_mw.core.seal import MARK
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError


def check(entry: Entry, site: str) -> None:
    """
    Refuse an entry that must not enter the ledger of ``site``.

    Raises:
        RecordsError: if it is neither a grant nor the end of one, lacks a receipt or a whole day, or has another site.
    """
    if entry.act not in GRANTS | ENDS:
        raise RecordsError(f"The ledger takes grants and their ends, not {entry.act.value!r}.")
    if not entry.receipt:
        raise RecordsError("A grant needs a receipt: without one nobody could find its record again.")
    if not isinstance(entry.day, int):
        raise RecordsError("The ledger takes whole days: a finer time could tell people apart.")
    if entry.site != site:
        raise RecordsError(f"These are the records of the site {site!r}, not of {entry.site!r}.")


def tombstone(site: str, day: int, seal: int, place: int) -> Entry:
    """Return the tombstone of an entry at ``place`` in ``seal``; it contains no data of the erased receipt."""
    return Entry(site, secrets.token_urlsafe(16), Act.ERASE, day, about=f"{seal}/{place}")


def mark(site: str, day: int, number: str) -> Entry:
    """Return the mark of an erased receipt; ``number`` is from :func:`consent_mw.proof.erasing.mark_of`."""
    return Entry(site, number, Act.ERASE, day, about=MARK)


def check_taken(entry: Entry, site: str) -> None:
    """
    Refuse an entry that :meth:`consent_mw.records.Ledger.take` must not take: marks and documents are taken, too.

    Raises:
        RecordsError: if it is neither a grant, the end of one, a mark, nor a document, or has another site.
    """
    is_mark = entry.act is Act.ERASE and entry.about == MARK
    is_document = entry.act is Act.DOCUMENT and bool(entry.notice)
    if not (is_mark or is_document) or entry.site != site:
        check(entry, site)
