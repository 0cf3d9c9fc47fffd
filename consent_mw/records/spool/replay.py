"""One pass over the spool: sends its content to the store, and drops what the store has accepted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial

from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records.spool.file import SpoolFile

__all__ = ["Replay"]

_log = logging.getLogger("consent_mw")

#: Accepted entries are dropped from the spool in batches of this size, so at most this many are sent twice.
BATCH = 100
#: Seconds after which a refused entry is sent again, and the number of refusals that end a replay: with so many, the
#: store is at fault.
REFUSED_WAIT = 60.0
REFUSALS = 20


class Replay:
    """
    One pass over the spool; only one process runs it at a time.

    Args:
        answers: Tells whether the store answers.
        refused: The monotonic times at which refused items may be sent again; kept between passes.
        marks: Returns the numbers that the mark of an erased receipt may have.
    """

    def __init__(
        self,
        spool: SpoolFile,
        remote: Records,
        answers: Callable[[], bool],
        refused: dict[object, float],
        marks: Callable[[str], Sequence[str]],
    ) -> None:
        self.sent = 0
        #: Whether the pass ended early, because the remote store went away or refuses everything.
        self.stopped = False
        self._spool = spool
        self._remote = remote
        self._answers = answers
        self._refused = refused
        self._marks = marks
        self._refusals = 0

    def run(self) -> None:
        """Send notices and entries; :attr:`sent` counts the entries."""
        for digest in self._spool.digests():
            document = self._spool.notice(digest)
            if document is not None and self._took(digest, partial(self._remote.keep_notice, digest, document)):
                self._make_room(partial(self._spool.drop_notice, digest))
            if self.stopped:
                return
        taken: list[Entry] = []
        try:
            for entry in self._spool.waiting():
                if self._took(
                    (entry.receipt, entry.step), partial(self._remote.append, entry, self._marks(entry.receipt))
                ):
                    taken.append(entry)
                if self.stopped:
                    break
                if len(taken) >= BATCH:
                    self._drop(taken)
        finally:
            self._drop(taken)

    def _drop(self, taken: list[Entry]) -> None:
        self._make_room(partial(self._spool.drop, taken))
        self.sent += len(taken)
        taken.clear()

    def _make_room(self, drop: Callable[[], None]) -> None:
        try:
            drop()
        except RecordsError:
            # If the disk is full, truncating the write-ahead log may free enough space.
            self._spool.wipe()
            drop()

    def _took(self, key: object, send: Callable[[], None]) -> bool:
        """Return whether the remote store accepted it; after a refusal the next entry is still sent."""
        now = time.monotonic()
        if self._refused.get(key, now) > now:
            return False
        try:
            send()
        except Exception as error:
            if not self._answers():
                self.stopped = True
                return False
            if not self._refused:
                _log.error("the records refuse something that waits in %s; it stays there: %s", self._spool.path, error)
            self._refused[key] = now + REFUSED_WAIT
            self._refusals += 1
            self.stopped = self._refusals >= REFUSALS
            return False
        self._refused.pop(key, None)
        return True
