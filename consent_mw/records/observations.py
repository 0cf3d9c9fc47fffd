"""
One site's observations, as one process knows them: what its pages contain, and which services visitors are asked about.

Theory of operation
-------------------

All observations of a site are in one set, in the records (:mod:`consent_mw.core.observations`). Every process adds to
it here, and nowhere else. Two things are read from it:

- The services that visitors are asked about on a site that grows: those of which any page held something.
- The inventory (:mod:`consent_mw.stats.inventory`): all of it.

The first is urgent, the second is not. A new service takes effect in this process as soon as it is seen. Within a
second it is stored in the background, and the services that other processes stored are read; no page waits for the
store. Everything else waits in a buffer for :meth:`SiteObservations.flush`, which runs every few minutes.

The buffer is bounded. It counts pages, and keeps the counts if the store fails. A process that is killed loses the
page counts of a few minutes, and at most the services of the last second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from threading import RLock

from consent_mw.core.model import Service
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.records import Observations

__all__ = ["SiteObservations"]

_log = logging.getLogger("consent_mw")

#: The most different sightings that wait in the buffer; further ones are dropped.
_MOST_WAITING = 4096


class SiteObservations:
    """
    What the pages of one site contain; safe for several threads and for forks.

    Args:
        records: The store that all processes of the site share.
        catalogue: The services that visitors can be asked about without being declared.
        today: Whole days since 1970-01-01 UTC.
        adopt: Called with the ids of suspects that other processes have found.
    """

    def __init__(
        self,
        records: Observations,
        catalogue: Mapping[str, Service],
        today: Callable[[], int],
        adopt: Callable[[Iterable[str]], object] = lambda ids: None,
    ) -> None:
        self._records = records
        self._catalogue = catalogue
        self._today = today
        self._adopt = adopt
        self._stored: frozenset[str] = frozenset()
        #: Services that this process saw and has not stored yet.
        self._new: dict[str, None] = {}
        #: The last set of services that was not new: most pages of a site contain the same set.
        self._nothing_new: frozenset[str] = frozenset()
        self._begin()

    def _begin(self) -> None:
        # Compared before each use: servers written in C may fork without Python's hooks. The parent writes its counts.
        self._process = os.getpid()
        # A signal handler may flush in the middle of a call, in the same thread: the lock must be reentrant.
        self._lock = RLock()
        self._waiting: dict[Sighting, Occurrence] = {}

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that visitors are asked about without being declared, as far as this process knows, by id."""
        with self._lock:
            known = self._stored.union(self._new)
        return tuple(self._catalogue[name] for name in sorted(known) if name in self._catalogue)

    def add(self, sighting: Sighting, place: str = "") -> None:
        """
        Record that an inspected page contains something.

        Args:
            place: The part of the site where the page is.
        """
        if self._process != os.getpid():
            self._begin()
        day = self._today()
        with self._lock:
            if sighting in self._waiting or len(self._waiting) < _MOST_WAITING:
                self._keep({sighting: Occurrence(day, day, 1, place)})

    def held(self, ids: Iterable[str]) -> bool:
        """Record the services held on a page; return whether this process has to ask about one that is new to it."""
        seen = frozenset(ids)
        if seen <= self._nothing_new:
            return False
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            known = self._stored | self._new.keys()
            new = [name for name in seen if name not in known and name in self._catalogue]
            self._new.update(dict.fromkeys(new))
            if not new:
                self._nothing_new = seen
        return bool(new)

    def share(self) -> None:
        """
        Store the services that are new to the site, and read those that other processes stored.

        Raises:
            RecordsError: if the store fails; the rest is stored the next time.
        """
        stored = self._records.learned()
        taken = tuple(self._new)
        if new := [name for name in taken if name not in stored]:
            day = self._today()
            self._records.observe({of_service(name): Occurrence(day, day) for name in new})
            stored = stored.union(new)
            for name in new:
                _log.info(
                    "%s is on the site; it is held and visitors are asked about it from now on",
                    self._catalogue[name].name,
                )
        with self._lock:
            for name in taken:
                self._new.pop(name, None)
            if stored == self._stored:
                return
            self._stored = stored
            self._nothing_new = frozenset()
        self._adopt(name for name in stored if name in self._catalogue and self._catalogue[name].suspected)

    def flush(self) -> None:
        """
        Add the buffer to the store; if that fails, keep it for the next time.

        Raises:
            RecordsError: if the store fails.
        """
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            taken, self._waiting = self._waiting, {}
        written = not taken
        try:
            if taken:
                self._records.observe(taken)
            written = True
        finally:
            # Also if an exception ends the process here.
            if not written:
                with self._lock:
                    self._keep(taken)

    def _keep(self, seen: Mapping[Sighting, Occurrence]) -> None:
        for sighting, occurrence in seen.items():
            known = self._waiting.get(sighting)
            self._waiting[sighting] = occurrence if known is None else known.joined(occurrence)
