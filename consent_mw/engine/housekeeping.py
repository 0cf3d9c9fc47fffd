"""
The background tasks of a running site: write counts, seal and purge records, publish figures, replay the spool.

:class:`Housekeeping` lists the tasks and their intervals; :class:`consent_mw.engine.tasks.Upkeep` runs them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial

from consent_mw.core.model import Site
from consent_mw.counting.tally import Tally
from consent_mw.engine.tasks import Task
from consent_mw.proof.erasing import marks_of
from consent_mw.proof.retention import check_clocks
from consent_mw.proof.retention import purge_due
from consent_mw.proof.sealing import seal_new
from consent_mw.records import Records

_log = logging.getLogger("consent_mw")

#: Seconds in a day.
_DAY = 86_400


class Housekeeping:
    """
    The tasks that every site has.

    Args:
        site: The configuration.
        records: The store.
        keys: Signing keys, oldest first.
        tally: The counts that are not written yet.
        clock: Seconds since 1970-01-01 UTC.
    """

    def __init__(
        self, site: Site, records: Records, keys: tuple[str, ...], tally: Tally, clock: Callable[[], float]
    ) -> None:
        self._site = site
        self._records = records
        self._keys = keys
        self._tally = tally
        self._clock = clock
        self._faults: list[str] = []

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks, in the order in which they run if several are due."""
        chance = random.SystemRandom()  # the module's own generator belongs to the site
        # Counts are written rarely and at random times, so that no write can be linked to a visitor.
        yield Task("counting", self._count, 10, 20, first=10, last=self._tally.close)
        yield Task("sealing", self._seal, 600, 1200, first=chance.uniform(20, 60), last=self._seal)
        yield Task("publishing", self._publish, 1200, 2400, first=chance.uniform(30, 90))
        yield Task("purging", self._purge, 40_000, 90_000, first=chance.uniform(120, 600))
        yield Task("looking at the store's settings", self._look, 60, 120, first=chance.uniform(2, 10))
        # Only records with a spool can be replayed. Their module is not imported for others.
        replayed = getattr(self._records, "replay", None)
        if replayed is not None:
            replay = partial(replayed, partial(marks_of, site=self._site.id, keys=self._keys))
            yield Task("replaying", replay, 2, 5, first=1, last=replay)

    def _today(self) -> int:
        return int(self._clock() // _DAY)

    def _count(self) -> None:
        if self._tally.due():
            self._tally.flush()

    def _seal(self) -> None:
        # Retention starts on the day of the seal. A machine whose clock is behind would make it end too early.
        theirs = self._records.clock()
        today = self._today() if theirs is None else int(theirs // _DAY)
        while seal_new(self._records, site=self._site.id, keys=self._keys, today=today, whole_days=True):
            pass

    def _publish(self) -> None:
        from consent_mw.stats import publish_due  # here, since it is needed once an hour at most

        check_clocks(self._records, self._clock())
        publish_due(self._records, today=self._today(), seconds_into_day=int(self._clock() % _DAY))

    def _look(self) -> None:
        """Log faults in the store's settings, once for as long as they last."""
        found = self._records.faults()
        for fault in found:
            if fault not in self._faults:
                _log.warning("%s", fault)
        self._faults = found

    def _purge(self) -> None:
        purge_due(self._records, now=self._clock(), record_days=self._site.record_days)
