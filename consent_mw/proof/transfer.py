"""
Copying a ledger: backups, restores, and moves from one store to another.

A copy has the same chain: every seal with its signature, and every entry in its place, including tombstones. So
``ledger verify`` reports the same for both, and receipts stay valid. Notices, counters, published figures and observed
services are copied too.

A copy obeys erasures: what another ledger has erased is left out, and leaves its tombstone and its mark instead. So a
backup does not bring back what was erased after it was made. The marks are written first: if a copy is interrupted,
they are all that the next one needs to know.

Limits: the parts are read one after the other, so stop the site first, or the last minute may be missing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from consent_mw.core.seal import MARK
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import Erased
from consent_mw.proof.erasing import erased_in
from consent_mw.proof.erasing import mark_of
from consent_mw.proof.erasing import marks_of
from consent_mw.records import CopyTarget
from consent_mw.records import Ledger
from consent_mw.records import Records
from consent_mw.records.rules import mark
from consent_mw.records.rules import tombstone

__all__ = ["Copied", "backup_file", "copy_records", "is_empty", "restore_records"]

#: Later than any day, but still within the range of every store.
_FOREVER = 2**31 - 1
#: Number of seals that are read at once; with its leaves each is up to half a megabyte.
_BATCH = 16


@dataclass(slots=True)
class Copied:
    """
    The numbers of copied items.

    Args:
        erased: Entries that were left out, because they are erased.
    """

    seals: int = 0
    entries: int = 0
    waiting: int = 0
    notices: int = 0
    figures: int = 0
    erased: int = 0


def is_empty(records: Ledger) -> bool:
    """Return whether a ledger contains only marks; receipts may be erased in it before their records are copied."""
    return records.last_seal() is None and all(_is_mark(kept.entry) for kept in records.entries())


def copy_records(
    source: Records, target: Records, *, site: str, keys: Sequence[str], today: int, erased: Erased | None = None
) -> Copied:
    """
    Copy all records of a site into an empty store, except those that were erased.

    Args:
        site: The site's id.
        keys: Signing keys, oldest first; needed only if there are erasures.
        today: Whole days since 1970-01-01 UTC.
        erased: What other ledgers have erased; what the target has erased is known.

    Raises:
        RecordsError: if the target is not empty or cannot take a copy, or a store fails.
    """
    into = _target(target)
    if not is_empty(target):
        raise RecordsError("The target store already has entries: copy into an empty one.")
    return _Copy(source, into, erased_in(target).joined(erased or Erased()), (site, keys, today)).run()


def restore_records(
    source: Records, target: Records, *, site: str, keys: Sequence[str], today: int, erased: Erased
) -> Copied:
    """
    Replace all records of a site with those of the source, except what was erased; arguments as for a copy.

    It can be repeated after an interruption, since the target keeps its knowledge of erasures until the end.

    Raises:
        RecordsError: if the target cannot take a copy, or a store fails.
    """
    into = _target(target)
    known = {entry.receipt: entry for entry in erased.marks}
    if erased.leaves:  # of an older version, which left no marks
        for kept in source.entries():
            if erased.covers(kept.entry, site=site, keys=keys):
                number = mark_of(kept.entry.receipt, site=site, keys=keys)
                known.setdefault(number, mark(site, today, number))
    erased = Erased(tuple(known.values()), erased.leaves)
    into.clear(erased.marks)
    return _Copy(source, into, erased, (site, keys, today)).run()


class _Copy:
    """One copy."""

    def __init__(
        self, source: Records, target: CopyTarget, erased: Erased, about: tuple[str, Sequence[str], int]
    ) -> None:
        self.source = source
        self.target = target
        self.erased = erased
        self.site, self.keys, self.today = about
        self.done = Copied()
        self._notices: set[str] = set()

    def run(self) -> Copied:
        self.target.adopt(None, [Kept(entry) for entry in self.erased.marks])
        first = 1
        while batch := self.source.seals(first, _BATCH):
            for seal in batch:
                kept, left = self._obeyed(self.source.sealed(seal.number))
                self.target.adopt(seal, kept)
                self.target.adopt(None, left)
                self.done.seals += 1
                self.done.entries += len(kept)
            first = batch[-1].number + 1
        waiting, left = self._obeyed([Kept(entry) for entry in self.source.unsealed(_FOREVER)])
        self.target.adopt(None, [*waiting, *left])
        self.done.waiting = len(waiting)
        for digest in sorted(self._notices - {""}):
            document = self.source.notice(digest)
            if document is not None:
                self.target.keep_notice(digest, document)
                self.done.notices += 1
        figures = self.source.figures(0, _FOREVER)
        if figures and not self.target.publish(figures, {}):
            raise RecordsError("The target store already has figures: copy into an empty one.")
        self.done.figures = len(figures)
        self.target.add_counts(self.source.counts(_FOREVER))
        self.target.observe(self.source.observed())
        return self.done

    def _obeyed(self, kept: list[Kept]) -> tuple[list[Kept], list[Kept]]:
        """Return the entries to keep, and the tombstones and marks of those that were erased."""
        if not self.erased:
            self._notices.update(one.entry.notice for one in kept)
            return kept, []
        stay, left = [], list[Kept]()
        for one in kept:
            if not self.erased.covers(one.entry, site=self.site, keys=self.keys):
                stay.append(one)
                continue
            self.done.erased += 1
            if one.seal is not None:
                left.append(Kept(tombstone(self.site, self.today, one.seal, one.place or 0)))
            numbers = marks_of(one.entry.receipt, site=self.site, keys=self.keys)
            if self.erased.numbers.isdisjoint(numbers):
                left.append(Kept(mark(self.site, self.today, numbers[-1])))
        self._notices.update(one.entry.notice for one in stay)
        return stay, left


def _target(records: Records) -> CopyTarget:
    if not isinstance(records, CopyTarget):
        raise RecordsError("A ledger is copied into a store itself, not into the spool in front of it.")
    return records


def _is_mark(entry: Entry) -> bool:
    return entry.act is Act.ERASE and entry.about == MARK


def backup_file(path: str, to: str) -> None:
    """
    Copy an SQLite file while it is in use, with SQLite's backup API; the copy is complete and consistent.

    Raises:
        RecordsError: if the copy already exists or cannot be written, or the file cannot be read.
    """
    try:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it contains receipts
    except FileExistsError:
        raise RecordsError(f"{to} already exists, and a backup overwrites nothing: choose another name.") from None
    except OSError as error:
        raise RecordsError(f"{to} cannot be written: {error.strerror or type(error).__name__}.") from None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        os.unlink(to)
        remedy = "It has to be a ledger's SQLite file, and the copy needs as much room."
        raise RecordsError(f"{path} cannot be copied: {error}. {remedy}") from None
