"""
A read replica of the store: figures and exports are read from it, and do not burden the server that takes grants.

Nothing that decides anything is read from it: it lags behind, and it may have stopped following. If it cannot be used,
or is behind by more than :data:`MOST_BEHIND` seconds, it is left alone for a minute, and the store itself is read. The
log says so once, and again when the replica is back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING
from typing import Protocol
from typing import TypeVar

from consent_mw.errors import ConsentError
from consent_mw.errors import RecordsError

if TYPE_CHECKING:
    from consent_mw.core.counts import Count
    from consent_mw.core.counts import Figures
    from consent_mw.core.seal import Kept
    from consent_mw.core.seal import Seal
    from consent_mw.records.postgres.replica import PostgresReplica

__all__ = ["MOST_BEHIND", "FigureReads", "Reads", "ReplicaReads"]

_log = logging.getLogger("consent_mw")

#: Seconds by which a replica may be behind.
MOST_BEHIND = 600
#: Seconds after which a replica is looked at again.
LOOK_AGAIN = 60.0

T = TypeVar("T")


class FigureReads(Protocol):
    """The part of a store that the figures are read from."""

    def counts(self, before: int) -> Mapping[Count, int]:
        """Return the unpublished raw counters of days before that one."""
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap the days from ``first`` to ``last``."""
        ...


class Reads(FigureReads, Protocol):
    """The part of a store that figures and exports are read from (:class:`consent_mw.records.Records`)."""

    def entries(self, first: str = "", end: str = "") -> Iterator[Kept]:
        """Yield the entries by receipt and step."""
        ...

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        ...

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        ...

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return up to ``limit`` seals from number ``first`` on, in order."""
        ...

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries that are marked with that seal, by place."""
        ...

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals that were not purged."""
        ...


class ReplicaReads:
    """
    Reads from the replica of a store, or from the store itself while the replica cannot be used.

    Args:
        store: Returns the store itself.
        url: The address of the replica, ``postgresql://…``; empty if there is none.
        site: The site's id.
        clock: A monotonic clock in seconds.
    """

    def __init__(
        self, store: Callable[[], Reads], url: str, *, site: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._url = url
        self._site = site
        self._clock = clock
        self._replica: PostgresReplica | None = None
        self._looked = float("-inf")
        self._looking = Lock()
        #: Why the replica is not used; empty if it is, or if there is none.
        self.trouble = ""

    def source(self) -> Reads:
        """Return the replica if it can be used now, or else the store."""
        return self._usable() or self._store()

    def counts(self, before: int) -> Mapping[Count, int]:
        """Return the unpublished raw counters of days before that one; raises RecordsError."""
        return self._ask(lambda source: source.counts(before))

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap the days from ``first`` to ``last``; raises RecordsError."""
        return self._ask(lambda source: source.figures(first, last))

    def close(self) -> None:
        """Close the connections to the replica; the store stays open."""
        replica, self._replica = self._replica, None
        if replica is not None:
            replica.close()

    def _ask(self, question: Callable[[FigureReads], T]) -> T:
        replica = self._usable()
        if replica is not None:
            try:
                return question(replica)
            except RecordsError as error:
                self._give_up(str(error))
        return question(self._store())

    def _usable(self) -> PostgresReplica | None:
        """Return the replica, or None; looks at most once a minute."""
        now = self._clock()
        if not self._url or now - self._looked < LOOK_AGAIN or not self._looking.acquire(blocking=False):
            return self._replica
        try:
            self._look(now)
        finally:
            self._looking.release()
        return self._replica

    def _look(self, now: float) -> None:
        """Open the replica if necessary, and give it up if it cannot be used."""
        self._looked = now
        try:
            if self._replica is None:
                from consent_mw.records.postgres.replica import PostgresReplica

                self._replica = PostgresReplica(self._url, site=self._site)
            if problem := self._replica.problem(MOST_BEHIND):
                raise RecordsError(problem)
        except (ConsentError, ImportError) as error:
            self._give_up(str(error))
        else:
            if self.trouble:
                _log.info("figures and exports are read from the replica again")
            self.trouble = ""

    def _give_up(self, reason: str) -> None:
        self.close()
        self._looked = self._clock()
        # A store's remedies name the setting that the store usually comes from.
        reason = reason.replace("the setting records", "the setting replica")
        known, self.trouble = self.trouble, reason
        if not known:
            _log.warning("figures and exports are read from the store itself, not from its replica: %s", reason)
