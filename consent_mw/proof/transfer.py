"""
Copying a ledger: backups, restores, and moves from one store to another.

A copy has the same chain: every seal with its signature, and every entry in its place, including tombstones. So
``ledger verify`` reports the same for both, and receipts stay valid. Notices, counters, published figures and observed
services are copied too.

Limits: the parts are read one after the other, so stop the site first, or the last minute may be missing. Copying into
Redis is not possible: it fills places in order, so the places of erased entries would be lost.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import RecordsError
from consent_mw.records import Records

__all__ = ["Copied", "backup_file", "copy_records"]

#: Later than any day, but still within the range of every store.
_FOREVER = 2**31 - 1
#: Number of seals that are read at once; with its leaves each is up to half a megabyte.
_BATCH = 16


class Target(Protocol):
    """The method that the target of a copy needs."""

    def adopt(self, seal: Seal | None, kept: Iterable[Kept]) -> None:
        """Store a seal of another store with its entries, or entries that are not sealed yet."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """The numbers of copied items."""

    seals: int
    entries: int
    waiting: int
    notices: int
    figures: int


def copy_records(source: Records, target: Records) -> Copied:
    """
    Copy all records of a site into an empty store.

    Raises:
        RecordsError: if the target is not empty or cannot take a copy, or a store fails.
    """
    adopt = getattr(target, "adopt", None)
    if adopt is None:
        raise RecordsError("A ledger can be copied into SQLite or PostgreSQL, not into this store.")
    if target.last_seal() is not None or target.unsealed(1):
        raise RecordsError("The target store already has entries: copy into an empty one.")
    seals = entries = 0
    notices: set[str] = set()
    first = 1
    while batch := source.seals(first, _BATCH):
        for seal in batch:
            kept = source.sealed(seal.number)
            adopt(seal, kept)
            seals += 1
            entries += len(kept)
            notices.update(one.entry.notice for one in kept)
        first = batch[-1].number + 1
    waiting = [Kept(entry) for entry in source.unsealed(_FOREVER)]
    adopt(None, waiting)
    notices.update(one.entry.notice for one in waiting)
    found = 0
    for digest in sorted(notices - {""}):
        document = source.notice(digest)
        if document is not None:
            target.keep_notice(digest, document)
            found += 1
    figures = source.figures(0, _FOREVER)
    if figures and not target.publish(figures, {}):
        raise RecordsError("The target store already has figures: copy into an empty one.")
    target.add_counts(source.counts(_FOREVER))
    target.observe(source.observed())
    return Copied(seals, entries, len(waiting), found, len(figures))


def backup_file(path: str, to: str) -> None:
    """
    Copy an SQLite file while it is in use, with SQLite's backup API; the copy is complete and consistent.

    Raises:
        RecordsError: if the copy already exists or cannot be written, or the file cannot be read.
    """
    try:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it contains receipts
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except FileExistsError:
        raise RecordsError(f"{to} already exists, and a backup overwrites nothing: choose another name.") from None
    except (OSError, sqlite3.Error) as error:
        raise RecordsError(f"{to} cannot be written as a copy of {path}: {error}.") from None
