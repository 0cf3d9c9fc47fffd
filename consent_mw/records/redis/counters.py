"""The counters and published figures in Redis."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.records.redis import keys
from consent_mw.records.redis import scripts
from consent_mw.records.redis.store import RedisStore
from consent_mw.records.redis.store import pairs


class RedisCounters(RedisStore):
    """The raw counters of a site and the figures made from them."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
        # Without waiting for a replica: after an error the caller adds the counts again, but they were not lost.
        args = [part for count, number in counts.items() if number for part in (keys.count_name(count), number)]
        with self._using() as link:
            if args:
                link.script(scripts.ADD_COUNTS, (self._keys.counts,), args, slow=True, confirm=False)

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one."""
        with self._using() as link:
            found = link.read("ZRANGE", self._keys.counts, 0, -1, "WITHSCORES", slow=True)
            counted = ((keys.count_of(name), int(float(number))) for name, number in pairs(found))
            return {count: number for count, number in counted if count.day < before}

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Store the figures and delete the spent raw counters, or return False with nothing changed."""
        runs = sorted(figures, key=lambda run: (run.table, run.first))
        if any(a.table == b.table and a.last >= b.first for a, b in zip(runs, runs[1:], strict=False)):
            return False
        names = [self._keys.counts, self._keys.tables]
        args: list[str | bytes | int] = [len(runs)]
        for run in runs:
            if (name := self._keys.figures(run.table)) not in names:
                names.append(name)
            args += [names.index(name) + 1, run.table.encode(), run.first, run.last, keys.cells_text(run.cells)]
        for count, number in spent.items():
            args += [keys.count_name(count), number]
        with self._using() as link:
            return bool(link.script(scripts.PUBLISH, names, args, slow=True))

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap these days, by table and first day."""
        with self._using() as link:
            tables = sorted(table.decode() for table in link.read("SMEMBERS", self._keys.tables, slow=True))
            asked: list[tuple[str | int, ...]] = []
            for table in tables:
                name = self._keys.figures(table)
                # Of the runs that begin before the first day, only the last one can overlap it.
                asked.append(("ZREVRANGEBYSCORE", name, f"({first}", "-inf", "LIMIT", 0, 1))
                asked.append(("ZRANGEBYSCORE", name, first, last))
            answers = link.read_all(asked, slow=True) if asked else []
            found = [
                keys.figures_of(table, run)
                for at, table in enumerate(tables)
                for run in (*answers[2 * at], *answers[2 * at + 1])
            ]
            return [run for run in found if run.last >= first]
