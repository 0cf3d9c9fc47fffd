"""
Discovered services: those that a site finds in its own pages.

A service takes effect in this process as soon as it is seen. It is stored in the background, where the services that
other processes stored are also read, so that no page waits for the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from threading import Lock

from consent_mw.core.model import Service
from consent_mw.records import Learned

__all__ = ["Learning"]

_log = logging.getLogger("consent_mw")


class Learning:
    """
    The services that one site has learned; safe for several threads.

    Args:
        records: The store that all processes of the site share.
        catalogue: The services that can be discovered.
        today: Whole days since 1970-01-01 UTC.
        adopt: Called with the ids that other processes have learned.
    """

    def __init__(
        self,
        records: Learned,
        catalogue: Mapping[str, Service],
        today: Callable[[], int],
        adopt: Callable[[Iterable[str]], object] = lambda ids: None,
    ) -> None:
        self._records = records
        self._catalogue = catalogue
        self._today = today
        self._adopt = adopt
        self._lock = Lock()
        self._version = -1
        self._written: frozenset[str] = frozenset()
        self._waiting: dict[str, None] = {}
        #: The last set of services that was not new: most pages of a site contain the same set.
        self._nothing_new: frozenset[str] = frozenset()

    @property
    def services(self) -> tuple[Service, ...]:
        """The discovered services that this process knows of, by id."""
        with self._lock:
            known = self._written.union(self._waiting)
        return tuple(self._catalogue[name] for name in sorted(known) if name in self._catalogue)

    def saw(self, ids: Iterable[str]) -> bool:
        """Record the services held on a page; return whether one of them is new to this process."""
        seen = frozenset(ids)
        if seen <= self._nothing_new:
            return False
        with self._lock:
            known = self._written | self._waiting.keys()
            new = [name for name in seen if name not in known and name in self._catalogue]
            self._waiting.update(dict.fromkeys(new))
            if not new:
                self._nothing_new = seen
        return bool(new)

    def share(self) -> None:
        """
        Store the services that this process saw, and read those that other processes stored.

        Raises:
            RecordsError: if the store fails; the rest is stored the next time.
        """
        for name in tuple(self._waiting):
            if self._records.learn(name, self._today()):
                _log.info(
                    "%s is on the site; it is held and visitors are asked about it from now on",
                    self._catalogue[name].name,
                )
            with self._lock:
                self._written |= {name}
                self._waiting.pop(name, None)
        version = self._records.version()
        if version != self._version:
            learned = self._records.learned()
            with self._lock:
                self._written = learned
                self._nothing_new = frozenset()
            self._version = version
            self._adopt(name for name in learned if name in self._catalogue and self._catalogue[name].suspected)
