"""
What a running site has done beside its requests: counts written, records sealed, published, purged and replayed.

:class:`Housekeeping` says what each task does and how often; :class:`consent_mw.engine.tasks.Upkeep` does them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Iterator

from consent_mw.core.model import Site
from consent_mw.counting.tally import Tally
from consent_mw.engine.tasks import Task
from consent_mw.proof.retention import check_clocks
from consent_mw.proof.retention import purge_due
from consent_mw.proof.sealing import seal_new
from consent_mw.records import Records
from consent_mw.records.spool import SpooledRecords

#: Seconds in a day.
_DAY = 86_400


class Housekeeping:
    """
    The tasks that every site has.

    Args:
        site: As it was configured.
        records: Where consent is proved and counts are kept.
        keys: Signing keys, oldest first.
        tally: What waits to be counted.
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

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks in the order in which they are done where several are due."""
        chance = random.SystemRandom()  # the module's own generator belongs to the site
        # Counts are written rarely and at random, so that no write tells of one visitor.
        yield Task("counting", self._count, 10, 20, first=10, last=self._tally.close)
        yield Task("sealing", self._seal, 20, 50, first=chance.uniform(5, 50), last=self._seal)
        yield Task("publishing", self._publish, 1200, 2400, first=chance.uniform(30, 90))
        yield Task("purging", self._purge, 40_000, 90_000, first=chance.uniform(120, 600))
        if isinstance(self._records, SpooledRecords):
            yield Task("replaying", self._records.replay, 2, 5, first=1, last=self._records.replay)

    def _today(self) -> int:
        return int(self._clock() // _DAY)

    def _count(self) -> None:
        if self._tally.due():
            self._tally.flush()

    def _seal(self) -> None:
        while seal_new(self._records, site=self._site.id, keys=self._keys, today=self._today()):
            pass

    def _publish(self) -> None:
        from consent_mw.stats import publish_due  # here, since it is needed once an hour at most

        check_clocks(self._records, self._clock())
        publish_due(self._records, today=self._today(), seconds_into_day=int(self._clock() % _DAY))

    def _purge(self) -> None:
        purge_due(self._records, now=self._clock(), record_days=self._site.record_days)
