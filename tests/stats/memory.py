"""Counters in memory: what the store does, in its plainest form; tests hold it to the real one."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures


class MemoryCounters:
    """The Protocol :class:`consent_mw.records.Counters`, for one process and as long as it runs."""

    def __init__(self) -> None:
        self.raw: dict[Count, int] = {}
        self.kept: dict[tuple[str, int], Figures] = {}

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters."""
        for count, number in counts.items():
            if number:
                self.raw[count] = self.raw.get(count, 0) + number

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one."""
        return {count: number for count, number in self.raw.items() if count.day < before}

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Keep the figures and forget what was spent, or change nothing and return False."""
        runs = list(self.kept.values())
        for new in figures:
            if any(old.table == new.table and old.first <= new.last and new.first <= old.last for old in runs):
                return False
            runs.append(new)
        if any(self.raw.get(count, 0) != number for count, number in spent.items()):
            return False
        for new in figures:
            self.kept[new.table, new.first] = new
        for count in spent:
            self.raw.pop(count, None)
        return True

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap these days, by table and first day."""
        return [run for _, run in sorted(self.kept.items()) if run.first <= last and run.last >= first]
