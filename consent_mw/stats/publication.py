"""
Publication: turns raw counts of complete days into figures that never change, with at least K in every cell.

Theory of operation
-------------------

**The claim.** No sequence of queries to the pages, exports, metrics and commands, at any times, reveals a number from 1
to K - 1 about a group of people, and neither does subtracting answers from each other. K is 10.

**Why suppressing small cells per query is not enough.** Two periods that differ by one day reveal that day by
subtraction. Querying the same period twice, before and after a late count, reveals the late count. So raw counts are
never shown. They are *published* once, as runs of days that never change, and each answer is a sum of whole runs.

**Atoms.** The runs of the table "answers" come first (:mod:`consent_mw.stats.atoms`). A run starts after the previous
one and grows day by day until each of its cells (accepted, partly accepted, rejected, unanswered) is at least K. An
empty cell counts as small: it says something about every visit of the run. A quiet site would wait forever, so after
PATIENCE days cells are merged instead: first partly accepted with accepted, then all without a grant, and so on
(:mod:`consent_mw.stats.schemes`).

**Partitions.** The runs of every other table consist of whole atoms (:mod:`consent_mw.stats.partitions`). Its rows,
such as browsers, divide the columns of those atoms. Everything without its own row is in the row "other", *computed* as
the atoms' number minus the named rows. So the rows of each run add up to the atoms, and subtracting one table from
another yields a sum of published cells, never a new small one. "Other" must itself be empty or at least K in each
column; if it is not, another row is merged into it.

**Dependent tables.** Rows of different tables usually vary independently, and the claim relies on that. A few pairs do
not: Safari and Apple's systems, the signal and browsers that send it by default, purposes that are each other's
complement. Such tables have the same runs, and the differences between their rows must be at least K as well.

**Order.** A day may be published once it is complete: its last counts arrive within half an hour after midnight UTC
(:data:`CLOSES`). Later counts are added to the next run; published figures are never corrected.

**Concurrency.** :func:`plan` is a pure function of the raw counts and the published runs. Any process may call
:func:`publish_due` at any time. The store accepts a step only if its runs do not overlap stored ones and the raw
counts have not changed since the plan. Of two processes one succeeds, and the other plans again.

**Limits.** The length of a run reveals that a cell was still small the day before. Someone who makes K - 1 of K visits
learns the outcome of the remaining one. Added noise would prevent the latter, but then the figures would not add up.

``docs/decisions/0008-published-figures.md`` has the full argument. A test acts as an adversary that combines all
answers by linear algebra and searches for small cells.
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
from consent_mw.core.counts import LOADS
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

#: Seconds after midnight UTC at which the previous day is complete: its last counts have arrived by then.
CLOSES = 1800
#: Figures per transaction: enough to be fast, few enough not to block other writers.
BATCH = 250
#: The most attempts to publish, if another process was faster each time.
TRIES = 5
#: A number later than any day that every store can represent.
_FOREVER = 2**31 - 1


class PublicationStore(Protocol):
    """The part of :class:`consent_mw.records.Counters` that publication uses."""

    def counts(self, before: int) -> dict[Count, int]:
        """Return the unpublished raw counters of earlier days."""
        ...

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Store the figures and delete the raw counters that they were made from, all or nothing."""
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap the days from ``first`` to ``last``."""
        ...


def publish_due(counters: PublicationStore, *, today: int, seconds_into_day: int | None = None) -> int:
    """
    Publish every run that is complete, and return the number of runs.

    Any process may call this at any time; if two do at once, the store accepts the runs of one of them.

    Args:
        counters: The store.
        today: Today, in whole days since 1970-01-01 UTC; it is never published itself.
        seconds_into_day: Seconds since midnight UTC. Yesterday is published only once it is complete; None means it is.

    Raises:
        RecordsError: if the store fails.
    """
    closed = today - 1 if seconds_into_day is None or seconds_into_day >= CLOSES else today - 2
    done = 0
    for _ in range(TRIES):
        # The inventory is about pages, so its counts are not published.
        raw = {count: number for count, number in counters.counts(closed + 1).items() if count.table != LOADS}
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
    """Combine steps into larger ones, in order."""
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
    Return the steps of a publication, in order.

    Args:
        raw: The unpublished counts; those of days after ``closed`` are skipped.
        published: All published runs.
        closed: The last complete day.
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
    """Return the counts of complete days by table, sorted by the day after which they are complete."""
    rows: dict[str, list[Counted]] = {}
    for count, number in raw.items():
        # Counts by ISP have the Monday of their week as date.
        day = count.day + 6 if count.table == ISP else count.day
        if day <= closed:
            rows.setdefault(count.table, []).append(Counted(day, count, number))
    for each in rows.values():
        each.sort(key=lambda row: row.day)
    return rows
