"""
What the published figures say about a period: the one answer behind pages, JSON, CSV, terminal and cron.

Everything here is a sum of whole published runs, so that no question gets
anything out of the figures that is not in them already. A run belongs to the
period in which its last day lies: periods side by side then share out the
runs, and each answer says which days it really covers.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import Figures
from consent_mw.stats import schemes
from consent_mw.stats.rates import Change
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import change
from consent_mw.stats.rates import wilson
from consent_mw.stats.schemes import ANSWERED
from consent_mw.stats.schemes import COLUMNS
from consent_mw.stats.schemes import GRANTED
from consent_mw.stats.schemes import WITHOUT

#: About as many points as a chart can show.
POINTS = 120
#: Days of one point, the smallest that keeps a chart under POINTS.
_WIDTHS = (1, 7, 14, 28, 56, 112)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole published runs: the first and the last day, and how many days the runs have (gaps are left out)."""

    first: int
    last: int
    days: int


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over the runs that tell it; ``days`` is fewer than the period's where some had to be merged."""

    count: int
    days: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """
    How many of those who answered granted a purpose.

    Args:
        answers: Of all answers; None where none was published.
        visits: Of all visits that were asked.
        line: The rate of answers over time.
    """

    id: str
    answers: Rate | None
    visits: Rate | None
    covered: Span
    line: tuple[Point, ...] = ()
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """
    One point of a time line: one run, or some of them in a row.

    Args:
        totals: What all its runs tell, by column.
        answers: The share of answers that granted something; of a purpose, that granted it.
        visits: The same of all visits that were asked.
        reached: The share of visits that answered at all.
    """

    first: int
    last: int
    totals: Mapping[str, int]
    answers: Rate | None
    visits: Rate | None
    reached: Rate | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of a table.

    Args:
        value: What the row stands for; OTHER are all that are too rare to be named, UNKNOWN those nobody knows.
        counts: By column of the table.
        share: Of all in the table's widest column, 0 to 1.
        days: In how many days' runs the value had a row of its own; in others it is part of OTHER.
    """

    value: str
    counts: Mapping[str, int]
    share: float
    answers: Rate | None
    visits: Rate | None
    days: int


@dataclass(frozen=True, slots=True)
class Table:
    """
    One dimension; empty ``rows`` where nothing could be published.

    Args:
        columns: What all runs tell, the widest first.
        totals: The sums of the rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Mapping[str, int]
    covered: Span | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of the notice: the first and last day of the run in which the new revision came up."""

    first: int
    last: int
    revision: str


@dataclass(frozen=True, slots=True)
class Period:
    """
    One period.

    Args:
        first: As chosen.
        last: As chosen.
        covered: What was published of it; None where nothing was.
        totals: By column (``asked``, ``accept``, …, ``shown``, ``gpc``, ``withdraw``); absent where nothing tells it.
        answers: The share of answers that granted something.
        accepted: The share of answers that granted everything.
        visits: The share of visits asked that granted something: who did not answer did not grant.
        reached: The share of visits asked that answered at all.
    """

    first: int
    last: int
    covered: Span | None
    totals: Mapping[str, Total]
    answers: Rate | None
    accepted: Rate | None
    visits: Rate | None
    reached: Rate | None
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """A rate from a change of the notice to the period's end, and for as long before; purpose empty for any grant."""

    mark: Mark
    purpose: str
    after: Rate
    before: Rate
    change: Change


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the pages show: the period chosen, the one of the same length before it, and what changed."""

    period: Period
    before: Period
    answers: Change | None
    visits: Change | None
    reached: Change | None
    #: Days of one point of the time line; 1 where each run has its own.
    width: int
    line: tuple[Point, ...]
    tables: tuple[Table, ...]
    marks: tuple[Mark, ...]
    #: By purpose id, and "" for any grant: the rate since the last change of the notice.
    since: Mapping[str, Since]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run with its cells by row."""

    first: int
    last: int
    rows: Mapping[str, Mapping[str, int]]
    scheme: frozenset[str]

    @property
    def days(self) -> int:
        return self.last - self.first + 1


def first_needed(first: int, last: int) -> int:
    """Return the first day of what :func:`report` reads: the period before counts too."""
    return max(0, first - (last - first + 1))


def report(figures: Iterable[Figures], *, first: int, last: int, revisions: Iterable[Mark] = ()) -> Report:
    """
    Say everything about the days from ``first`` to ``last``.

    Args:
        figures: Those of :func:`first_needed` to ``last``; others are passed over.
        first: The first day of the period.
        last: Its last day.
        revisions: Changes of the notice that are known beside those in the figures.
    """
    start = first_needed(first, last)
    tables: dict[str, list[Figures]] = {}
    for found in figures:
        if start <= found.last <= last:
            tables.setdefault(found.table, []).append(found)
    runs = {name: sorted(map(_run, each), key=lambda run: run.first) for name, each in tables.items()}
    marks = sorted([*_marks(runs.get(schemes.REVISION_TABLE, ())), *revisions], key=lambda mark: mark.first)
    width = _width(last - first + 1)
    before = _period(runs, start, first - 1, 0)
    period = _period(runs, first, last, width)
    earlier = {purpose.id: purpose for purpose in before.purposes}
    period = _compared(period, earlier)
    answers = _within(runs.get(schemes.ANSWERS_TABLE, ()), first, last)
    inside = tuple(mark for mark in marks if first <= mark.last <= last)
    return Report(
        period=period,
        before=before,
        answers=change(period.answers, before.answers),
        visits=change(period.visits, before.visits),
        reached=change(period.reached, before.reached),
        width=width,
        line=tuple(_line(answers, width)),
        tables=tuple(_table(name, _within(runs.get(name, ()), first, last)) for name in DIMENSIONS),
        marks=inside,
        since=_since(runs, inside[-1], start, last) if inside else {},
    )


def _run(figures: Figures) -> _Run:
    rows: dict[str, dict[str, int]] = {}
    for (value, column), count in figures.cells.items():
        rows.setdefault(value, {})[column] = count
    return _Run(figures.first, figures.last, rows, frozenset(next(iter(rows.values()), ())))


def _within(runs: Sequence[_Run], first: int, last: int) -> list[_Run]:
    return [run for run in runs if first <= run.last <= last]


def _span(runs: Sequence[_Run]) -> Span | None:
    return Span(runs[0].first, runs[-1].last, sum(run.days for run in runs)) if runs else None


def _tells(run: _Run, value: str, column: str) -> int | None:
    """Return what the run tells of a column in one of its rows, or None."""
    chosen = schemes.parts(run.scheme, column)
    return None if chosen is None else sum(map(run.rows[value].__getitem__, chosen))


def _share(runs: Iterable[_Run], value: str, column: str, of: str) -> Rate | None:
    """Return the share of two columns over the runs that tell both."""
    counts = wholes = 0
    for run in runs:
        count, whole = _tells(run, value, column), _tells(run, value, of)
        if count is not None and whole is not None:
            counts += count
            wholes += whole
    return wilson(counts, wholes)


def _period(runs: Mapping[str, Sequence[_Run]], first: int, last: int, width: int) -> Period:
    """Sum a period up; with ``width`` 0 without the purposes' time lines."""
    answers = _within(runs.get(schemes.ANSWERS_TABLE, ()), first, last)
    totals: dict[str, Total] = {}
    for column in COLUMNS:
        told = [(run, count) for run in answers if (count := _tells(run, "", column)) is not None]
        if told:
            totals[column] = Total(sum(count for _, count in told), sum(run.days for run, _ in told))
    for name in schemes.SINGLES:
        single = _within(runs.get(name, ()), first, last)
        if single:
            totals[name] = Total(sum(run.rows[""][name] for run in single), sum(run.days for run in single))
    names = sorted(name for name in runs if name.startswith(schemes.PURPOSE_PREFIX))
    return Period(
        first=first,
        last=last,
        covered=_span(answers),
        totals=totals,
        answers=_share(answers, "", GRANTED, ANSWERED),
        accepted=_share(answers, "", ACCEPT, ANSWERED),
        visits=_share(answers, "", GRANTED, ASKED),
        reached=_share(answers, "", ANSWERED, ASKED),
        purposes=tuple(_purposes(runs, names, first, last, width)),
    )


def _purposes(
    runs: Mapping[str, Sequence[_Run]], names: Iterable[str], first: int, last: int, width: int
) -> Iterator[Purpose]:
    asked = _Asked(runs.get(schemes.ANSWERS_TABLE, ()))
    for name in names:
        own = _within(runs[name], first, last)
        covered = _span(own)
        if covered is None:
            continue
        purpose = name.removeprefix(schemes.PURPOSE_PREFIX)
        line = tuple(_purpose_point(bucket, purpose, asked) for bucket in _buckets(own, width)) if width else ()
        whole = _purpose_point(own, purpose, asked)
        yield Purpose(purpose, whole.answers, whole.visits, covered, line)


class _Asked:
    """Visits asked, added up run by run."""

    def __init__(self, runs: Sequence[_Run]) -> None:
        self._first = runs[0].first if runs else 0
        self._days = [run.last for run in runs]
        self._sums = [0, *accumulate(_tells(run, "", ASKED) or 0 for run in runs)]

    def within(self, first: int, last: int) -> int | None:
        """Return how many were asked in the runs that end between two days; None where some of them are not known."""
        if not self._days or first < self._first or last > self._days[-1]:
            return None
        return self._sums[bisect_right(self._days, last)] - self._sums[bisect_left(self._days, first)]


def _purpose_point(runs: Sequence[_Run], purpose: str, asked: _Asked) -> Point:
    """Sum the runs of a purpose up; what its columns stand for depends on each run's scheme."""
    granted = seen = visits = sure = answers = 0
    for run in runs:
        # Those who granted it stand in a column named after those it was taken from; to accept is to grant it.
        cells = run.rows[purpose]
        split = [name.removesuffix(WITHOUT) for name in cells if name.endswith(WITHOUT)]
        with_it = sum(cells[name] for name in split)
        with_it += cells.get(ACCEPT, 0)
        granted += with_it
        # A run of a purpose is made of whole runs of answers.
        whole = asked.within(run.first, run.last)
        if whole is not None:
            seen += with_it
            visits += whole
        if schemes.parts(frozenset(name for name in cells if not name.endswith(WITHOUT)), ANSWERED):
            sure += with_it
            answers += sum(cells.values())
    return Point(runs[0].first, runs[-1].last, {GRANTED: granted}, wilson(sure, answers), wilson(seen, visits))


def _compared(period: Period, earlier: Mapping[str, Purpose]) -> Period:
    purposes = []
    for now in period.purposes:
        then = earlier.get(now.id)
        moved = change(now.answers, then.answers if then else None)
        purposes.append(Purpose(now.id, now.answers, now.visits, now.covered, now.line, moved))
    return Period(
        first=period.first,
        last=period.last,
        covered=period.covered,
        totals=period.totals,
        answers=period.answers,
        accepted=period.accepted,
        visits=period.visits,
        reached=period.reached,
        purposes=tuple(sorted(purposes, key=lambda purpose: (-_size(purpose.answers), purpose.id))),
    )


def _size(rate: Rate | None) -> float:
    return rate.share if rate else -1.0


def _width(days: int) -> int:
    return next((width for width in _WIDTHS if days <= width * POINTS), _WIDTHS[-1])


def _buckets(runs: Sequence[_Run], width: int) -> Iterator[list[_Run]]:
    """Yield runs in a row whose last days lie in the same ``width`` days, counted from a Monday."""
    bucket: list[_Run] = []
    for run in runs:
        if bucket and (run.last + 3) // width != (bucket[0].last + 3) // width:
            yield bucket
            bucket = []
        bucket.append(run)
    if bucket:
        yield bucket


def _line(runs: Sequence[_Run], width: int) -> Iterator[Point]:
    for bucket in _buckets(runs, width):
        totals: dict[str, int] = {}
        for column in COLUMNS:
            told = [_tells(run, "", column) for run in bucket]
            known = [count for count in told if count is not None]
            if len(known) == len(told):
                totals[column] = sum(known)
        yield Point(
            bucket[0].first,
            bucket[-1].last,
            totals,
            _share(bucket, "", GRANTED, ANSWERED),
            _share(bucket, "", GRANTED, ASKED),
            _share(bucket, "", ANSWERED, ASKED),
        )


def _table(name: str, runs: Sequence[_Run]) -> Table:
    """Sum a dimension up, in the columns that every run tells."""
    columns = tuple(
        column
        for column in COLUMNS
        if runs and all(schemes.parts(scheme, column) is not None for scheme in {run.scheme for run in runs})
    )
    counts: dict[str, dict[str, int]] = {}
    days: dict[str, int] = {}
    for run in runs:
        for value in run.rows:
            row = counts.setdefault(value, dict.fromkeys(columns, 0))
            days[value] = days.get(value, 0) + run.days
            for column in columns:
                row[column] += _tells(run, value, column) or 0
    totals = {column: sum(row[column] for row in counts.values()) for column in columns}
    widest = columns[0] if columns else ""
    rows = [
        Row(
            value=value,
            counts=row,
            share=row[widest] / totals[widest],
            answers=_part(row, GRANTED, ANSWERED),
            visits=_part(row, GRANTED, ASKED),
            days=days[value],
        )
        for value, row in counts.items()
        if columns
    ]
    rows.sort(key=lambda row: (row.value == OTHER, row.value == UNKNOWN, -row.counts[widest], row.value))
    return Table(name, columns, tuple(rows), totals, _span(runs) if rows else None)


def _part(row: Mapping[str, int], column: str, of: str) -> Rate | None:
    return wilson(row[column], row[of]) if column in row and of in row else None


def _marks(runs: Iterable[_Run]) -> Iterator[Mark]:
    for run in runs:
        for revision in sorted(run.rows):
            if schemes.SINCE in run.rows[revision]:
                yield Mark(run.first, run.last, revision)


def _since(runs: Mapping[str, Sequence[_Run]], mark: Mark, start: int, last: int) -> dict[str, Since]:
    """Compare what followed the mark with as many days before it, as far as both were published."""
    length = last - mark.first + 1
    after = _period(runs, mark.first, last, 0)
    before = _period(runs, max(start, mark.first - length), mark.first - 1, 0)
    pairs = {"": (after.answers, before.answers)}
    earlier = {purpose.id: purpose.answers for purpose in before.purposes}
    pairs.update((purpose.id, (purpose.answers, earlier.get(purpose.id))) for purpose in after.purposes)
    found: dict[str, Since] = {}
    for purpose, (now, then) in pairs.items():
        moved = change(now, then)
        if now is not None and then is not None and moved is not None:
            found[purpose] = Since(mark, purpose, now, then, moved)
    return found
