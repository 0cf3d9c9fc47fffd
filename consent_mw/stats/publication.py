"""
Publication: raw counts of complete days become figures, every cell of which is at least K.

``docs/decisions/0008-published-figures.md`` gives the reasons. In short:

1. The runs of table "answers" are atoms. One grows day by day until each of its cells is at least K; after PATIENCE
   days columns are merged instead.
2. The runs of every other table are made of whole atoms, and its rows share out the columns of those atoms, so that
   the difference of any two tables is a sum of cells that were published.
3. All dimensions share their runs, and so do all purposes: of two tables that say the same in other words, runs that
   end on different days would tell small cells.
4. What was published never changes. Counts that come late are part of the next run.

:func:`plan` is a pure function of what the store holds; :func:`publish_due` offers its steps to the store, which
takes a step only if nobody else was faster.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from consent_mw.core.counts import CSP
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import ISP
from consent_mw.core.counts import PURPOSE
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.stats import schemes
from consent_mw.stats.atoms import OUTCOMES
from consent_mw.stats.atoms import Atom
from consent_mw.stats.atoms import Counted
from consent_mw.stats.atoms import PublicationStep
from consent_mw.stats.atoms import new_atoms
from consent_mw.stats.atoms import with_marks
from consent_mw.stats.blocked import blocked_runs
from consent_mw.stats.partitions import beside_runs
from consent_mw.stats.partitions import dimension_runs
from consent_mw.stats.partitions import purpose_runs

__all__ = ["CLOSES", "plan", "publish_due"]

#: Seconds after midnight UTC at which the day before is closed: its counts have arrived by then.
CLOSES = 1800
#: Figures that are offered to the store at once: enough to be quick, few enough not to hold others up.
BATCH = 250
#: How often a plan is made anew after another process was faster.
TRIES = 5
#: Later than any day, within what every store can hold.
_FOREVER = 2**31 - 1


class PublicationStore(Protocol):
    """What publication asks of :class:`consent_mw.records.PublicationStore`."""

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one that were not published yet."""
        ...

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Keep the figures and forget the raw counters they were made of, all or nothing."""
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that have a day between the two."""
        ...


def publish_due(counters: PublicationStore, *, today: int, seconds_into_day: int | None = None) -> int:
    """
    Publish what may be published, and return the number of runs.

    Any process may do so at any time: of two that do, the store takes the runs of one.

    Args:
        counters: The store.
        today: The day it is, as whole days since 1970-01-01 UTC; it is never published itself.
        seconds_into_day: Since midnight UTC; the day before is left alone until it is closed. None where it surely is.

    Raises:
        RecordsError: the store fails.
    """
    closed = today - 1 if seconds_into_day is None or seconds_into_day >= CLOSES else today - 2
    done = 0
    for _ in range(TRIES):
        raw = counters.counts(closed + 1)
        if not raw:
            return done
        for batch in _batches(plan(raw, counters.figures(0, _FOREVER), closed)):
            if not counters.publish(batch.figures, batch.spent):
                break
            done += len(batch.figures)
        else:
            return done
    return done


def _batches(steps: Iterable[PublicationStep]) -> Iterator[PublicationStep]:
    """Join steps into longer ones, in order."""
    figures: list[Figures] = []
    spent: dict[Count, int] = {}
    for step in steps:
        figures += step.figures
        spent.update(step.spent)
        if len(figures) >= BATCH:
            yield PublicationStep(tuple(figures), spent)
            figures, spent = [], {}
    if figures or spent:
        yield PublicationStep(tuple(figures), spent)


def plan(raw: Mapping[Count, int], published: Iterable[Figures], closed: int) -> list[PublicationStep]:
    """
    Return what may be published now, in the order in which it has to be.

    Args:
        raw: The counts that were not published yet; those of days after ``closed`` are passed over.
        published: Everything that was published, of any day.
        closed: The last day that is complete.
    """
    rows = _by_table(raw, closed)
    kept: dict[str, list[Figures]] = {}
    for run in published:
        kept.setdefault(run.table, []).append(run)

    def head(names: Iterable[str]) -> int:
        return max((run.last for name in names for run in kept.get(name, ())), default=-1)

    def of(*outcomes: str) -> list[Counted]:
        return [row for row in rows.get(TOTAL, ()) if row.count.outcome in outcomes]

    marked = frozenset(value for run in kept.get(schemes.REVISION_TABLE, ()) for value, _ in run.cells)
    steps = list(
        with_marks(
            new_atoms(of(*OUTCOMES), head([schemes.ANSWERS_TABLE]), closed),
            rows.get(schemes.REVISION_TABLE, []),
            marked,
        )
    )
    runs = [*kept.get(schemes.ANSWERS_TABLE, ()), *(step.figures[0] for step in steps)]
    atoms = sorted(map(Atom.of, runs), key=lambda atom: atom.first)
    ended = dict.fromkeys(schemes.SINGLES, -1)
    for run in kept.get(schemes.BESIDE_TABLE, ()):
        ended |= {name: max(ended.get(name, -1), run.last) for _, name in run.cells}
    steps += beside_runs(atoms, {name: of(name) for name in schemes.SINGLES}, ended)
    steps += purpose_runs(atoms, rows.get(PURPOSE, []), head([schemes.PURPOSE_TABLE]))
    steps += blocked_runs(rows.get(CSP, []), head([CSP]), closed)
    steps += dimension_runs(atoms, {name: rows.get(name, []) for name in DIMENSIONS}, head(DIMENSIONS))
    return steps


def _by_table(raw: Mapping[Count, int], closed: int) -> dict[str, list[Counted]]:
    """Return the counts of complete days by table, by the day at whose end they are complete."""
    rows: dict[str, list[Counted]] = {}
    for count, number in raw.items():
        # Those by ISP stand under the Monday of their week.
        day = count.day + 6 if count.table == ISP else count.day
        if day <= closed:
            rows.setdefault(count.table, []).append(Counted(day, count, number))
    for each in rows.values():
        each.sort(key=lambda row: row.day)
    return rows
