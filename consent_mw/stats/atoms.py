"""
Atoms of publication: the runs of the table "answers". The runs of all other tables consist of whole atoms.

A run is as short as its cells allow: it grows day by day until each cell is at least K. An empty cell counts as small,
since it reveals something about every visit of the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from consent_mw.core.counts import ANSWERS
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.stats import schemes
from consent_mw.stats.schemes import ANSWERS_TABLE
from consent_mw.stats.schemes import SCHEMES
from consent_mw.stats.schemes import UNANSWERED

#: Days after which a run is published with merged columns.
PATIENCE = 28
#: The outcomes that atoms are made from.
OUTCOMES = (ASKED, *ANSWERS)


@dataclass(frozen=True, slots=True)
class Counted:
    """A raw counter, and the day after which it is complete."""

    day: int
    count: Count
    number: int


@dataclass(frozen=True, slots=True)
class PublicationStep:
    """Figures to publish together, and the raw counters that they replace."""

    figures: tuple[Figures, ...]
    spent: Mapping[Count, int]


@dataclass(frozen=True, slots=True)
class Atom:
    """A published run of table "answers"."""

    first: int
    last: int
    scheme: tuple[str, ...]
    cells: Mapping[str, int] = field(repr=False)

    @classmethod
    def of(cls, run: Figures) -> Atom:
        """Return the atom for a run."""
        cells = {column: count for (_, column), count in run.cells.items()}
        return cls(run.first, run.last, tuple(cells), cells)

    def tells(self, column: str) -> int:
        """Return the number for a column if it follows from the scheme; otherwise 0."""
        return sum(self.cells[name] for name in schemes.parts(self.scheme, column) or ())


def spent(rows: Iterable[Counted]) -> dict[Count, int]:
    """Return the raw counters in the form that the store expects."""
    return {row.count: row.number for row in rows}


def sunday(day: int) -> int:
    """Return the first Sunday on or after the day; day 0 was a Thursday."""
    return day + (3 - day) % 7


def new_atoms(rows: Sequence[Counted], head: int, closed: int) -> Iterator[PublicationStep]:
    """
    Yield the runs that can be published, in order.

    Args:
        rows: The unpublished counts of OUTCOMES, by day; late ones, from before ``head``, join the first run.
        head: The last published day, or -1.
        closed: The last day that is complete.
    """
    at = 0
    while at < len(rows):
        begin = at
        start = max(head + 1, rows[at].day)
        sums = dict.fromkeys(OUTCOMES, 0)
        for day in range(start, closed + 1):
            while at < len(rows) and rows[at].day <= day:
                sums[rows[at].count.outcome] += rows[at].number
                at += 1
            # A run that extends beyond its first week ends on a Sunday, so that weekly tables can end there too.
            if day > sunday(start) and day != sunday(day):
                continue
            cells = _cells(sums, SCHEMES if day - start + 1 >= PATIENCE else SCHEMES[:1])
            if cells:
                head = day
                run = Figures(ANSWERS_TABLE, start, day, {("", column): number for column, number in cells.items()})
                yield PublicationStep((run,), spent(rows[begin:at]))
                break
        else:
            return


def _cells(sums: Mapping[str, int], allowed: Iterable[tuple[str, ...]]) -> dict[str, int] | None:
    """Return the cells of the finest scheme that has no small cell, or None."""
    found = {name: sums[name] for name in ANSWERS}
    # An answer after midnight counts for its own day, but the visit was asked the day before.
    found[UNANSWERED] = max(0, sums[ASKED] - sum(found.values()))
    for scheme in allowed:
        cells = {column: sum(found[way] for way in schemes.ways(column)) for column in scheme}
        if min(cells.values()) >= K:
            return cells
    return None


def with_marks(
    steps: Iterable[PublicationStep], rows: Sequence[Counted], known: frozenset[str]
) -> Iterator[PublicationStep]:
    """
    Add to each run the revisions of the notice that were first shown to K visits in it.

    Args:
        steps: The result of :func:`new_atoms`.
        rows: The unpublished counts of table "revision", by day.
        known: The revisions that already have a mark.
    """
    at = 0
    seen: dict[str, dict[Count, int]] = {}
    for step in steps:
        (run,) = step.figures
        while at < len(rows) and rows[at].day <= run.last:
            seen.setdefault(rows[at].count.value, {})[rows[at].count] = rows[at].number
            at += 1
        fresh = sorted(value for value in seen.keys() - known if sum(seen[value].values()) >= K)
        # The revision at the start of counting is not a change. The mark does not contain the number of visits.
        cells = {(value, schemes.SINCE if known else schemes.START): K for value in fresh}
        known |= frozenset(fresh)
        marks = (Figures(schemes.REVISION_TABLE, run.first, run.last, cells),) if cells else ()
        used = {count: number for value in seen.keys() & known for count, number in seen.pop(value).items()}
        yield PublicationStep((run, *marks), {**step.spent, **used})
