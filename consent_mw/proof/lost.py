"""
Records that the store has lost: noticed when their visitors come back, and written again from their cookies.

Theory of operation. A failover to an asynchronous replica loses the newest records, and so does a restored backup. The
visitor still has the signed cookie, and the site acts on it. We sign a cookie only after its record is durable, so a
cookie whose receipt is unknown to the store means that the store has lost the record.

(1) A page view only notes the choice of its visitor, in memory (:meth:`LostRecords.saw`). A choice that was looked up
    less than :data:`PERIOD` seconds ago is not noted again, so most views cost a lookup in a dictionary.
(2) The background thread looks up what was noted (:meth:`LostRecords.look`), up to :data:`BATCH` receipts at a time.
    What does not fit is dropped and noted again by a later view. If the store fails, everything is forgotten: after a
    failover, what was found before it may be gone.
(3) If the store has no entry of the receipt at all, the grant is written again, unless the receipt was erased:
    :meth:`consent_mw.records.Ledger.take` refuses it by the mark that the erasure left
    (:mod:`consent_mw.proof.erasing`).
(4) The new entry has the day and the grants of the cookie, and ``about`` is ``cookie``. The cookie does not contain
    which notice was shown in which language, so the entry does not either. If the original arrives later, from the
    spool of a machine that was cut off, it takes the place of the new entry, provided that this is not sealed yet.

Limits: only choices that answer the current question are written again, since a short cookie contains its services only
by their place in the list of that question. A record older than ``record_days`` may have been purged, and so may the
mark of its erasure, so it is left alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

from consent_mw.core.cache import BoundedCache
from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import marks_of
from consent_mw.records import Ledger

__all__ = ["LostRecords"]

_log = logging.getLogger("consent_mw")

#: Seconds for which a receipt that was found is not looked up again.
PERIOD = 300.0
#: The most receipts that are looked up at once, and the most that wait for a look-up.
BATCH = 100
#: Limits of the memory of receipts, in entries and bytes.
_REMEMBERED = 8_192
_REMEMBERED_BYTES = 2_500_000

_ACTS = {Action.ACCEPT: Act.ACCEPT, Action.PARTIAL: Act.PARTIAL}


class LostRecords:
    """
    Finds the records that one site's store has lost; shared by the threads of a process.

    Args:
        site: The configuration.
        records: The store.
        keys: Signing keys, oldest first.
        today: Returns whole days since 1970-01-01 UTC.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        site: Site,
        records: Ledger,
        keys: tuple[str, ...],
        today: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._records = records
        self._keys = keys
        self._today = today
        self._clock = clock
        self._lock = Lock()
        #: How many records this process has written again.
        self.written = 0
        #: When a receipt was noted last.
        self._noted: BoundedCache[str, float] = BoundedCache(_REMEMBERED, _REMEMBERED_BYTES)
        self._waiting: dict[str, tuple[Record, str]] = {}

    def saw(self, record: Record, revision: str) -> None:
        """
        Note the choice of a visitor; cheap enough for every page view, and never waits for the store (1).

        Args:
            record: A choice from a cookie whose signature was verified.
            revision: What the site asks now.
        """
        if not _is_proof(record, revision):
            return
        now = self._clock()
        last = self._noted.get(record.receipt)
        if last is not None and now - last < PERIOD:
            return
        with self._lock:
            if len(self._waiting) >= BATCH:
                return
            self._waiting[record.receipt] = record, revision
        self._noted.put(record.receipt, now)

    def look(self) -> int:
        """
        Look up the records that were noted, write those again that are lost, and return their number (2).

        Raises:
            RecordsError: if the store fails; what was noted is forgotten until it is seen again.
        """
        with self._lock:
            noted, self._waiting = self._waiting, {}
        written = 0
        try:
            for record, revision in noted.values():
                written += self.write_again(record, revision)
        except RecordsError:
            self._noted.clear()
            raise
        finally:
            if written:
                _log.warning("the store had lost records that visitors' cookies prove; written again: %d", written)
        return written

    def write_again(self, record: Record, revision: str) -> bool:
        """
        Write a record again if the store has lost it, and return whether it did (3); arguments as for :meth:`saw`.

        Raises:
            RecordsError: if the store fails.
        """
        if not _is_proof(record, revision) or self._today() - record.day > self._site.record_days:
            return False
        if self._records.history(record.receipt):
            return False
        entry = Entry(
            site=self._site.id,
            receipt=record.receipt,
            act=_ACTS[record.action],
            day=record.day,
            revision=record.revision,
            purposes=record.purposes,
            services=record.services,
            gpc=record.gpc,
            about=FROM_COOKIE,  # (4)
        )
        marks = {record.receipt: marks_of(record.receipt, site=self._site.id, keys=self._keys)}
        if not self._records.take([entry], marks):
            return False
        with self._lock:
            self.written += 1
        return True


def _is_proof(record: Record, revision: str) -> bool:
    """Return whether a cookie contains everything that was granted, and a receipt."""
    return bool(record.receipt) and record.revision == revision and record.action in _ACTS
