"""
Hosts that policies blocked or the guard stopped: the only published table that is not about visits.

The reports of a host are added up until there are at least K. Then they are published for the day on which K was
reached. Those that stay below K for :data:`~consent_mw.stats.atoms.PATIENCE` days are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.stats.atoms import PATIENCE
from consent_mw.stats.atoms import Counted
from consent_mw.stats.atoms import PublicationStep
from consent_mw.stats.atoms import spent

__all__ = ["blocked_runs", "by_host"]


def blocked_runs(rows: Sequence[Counted], head: int, closed: int) -> Iterator[PublicationStep]:
    """
    Yield the runs of hosts, each of a single day.

    Args:
        rows: The unpublished counts, by day.
        head: The last day that has a run, or -1.
        closed: The last day that is complete.
    """
    waiting: dict[tuple[str, str], list[Counted]] = {}
    for day in sorted({row.day for row in rows}):
        for row in rows:
            if row.day == day:
                waiting.setdefault((row.count.value, row.count.outcome), []).append(row)
        if day <= head:
            continue
        enough = {cell: taken for cell, taken in waiting.items() if sum(row.number for row in taken) >= K}
        if enough:
            cells = {cell: sum(row.number for row in taken) for cell, taken in sorted(enough.items())}
            used = [row for taken in enough.values() for row in taken]
            yield PublicationStep((Figures(CSP, day, day, cells),), spent(used))
            waiting = {cell: taken for cell, taken in waiting.items() if cell not in enough}
    old = [row for taken in waiting.values() for row in taken if row.day <= closed - PATIENCE]
    if old:
        yield PublicationStep((), spent(old))


def by_host(figures: Iterable[Figures]) -> list[tuple[str, int, int]]:
    """Return hosts that policies blocked, with their reports and the day of the last report, most reported first."""
    found: dict[str, tuple[int, int]] = {}
    for run in figures:
        if run.table != CSP:
            continue
        for (host, outcome), number in run.cells.items():
            if outcome != BLOCKED:
                continue
            before, last = found.get(host, (0, 0))
            found[host] = (before + number, max(last, run.last))
    return sorted(((host, number, last) for host, (number, last) in found.items()), key=lambda row: (-row[1], row[0]))
