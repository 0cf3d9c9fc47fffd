"""
What the published figures say about a period: the one answer behind pages, JSON, CSV, terminal and cron.

Everything here is a sum of whole published runs, so that no question gets
anything out of the figures that is not in them already. A run belongs to the
period in which its last day lies: periods side by side then share out the
runs, and each answer says which days it really covers.

Three years are some four thousand runs. They are added up by scheme first,
and what the sums tell is found out once for each scheme.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from operator import attrgetter

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import Figures
from consent_mw.stats import schemes
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import change
from consent_mw.stats.rates import wilson
from consent_mw.stats.reports import Mark
from consent_mw.stats.reports import Period
from consent_mw.stats.reports import Point
from consent_mw.stats.reports import Purpose
from consent_mw.stats.reports import Report
from consent_mw.stats.reports import Row
from consent_mw.stats.reports import Since
from consent_mw.stats.reports import Span
from consent_mw.stats.reports import Table
from consent_mw.stats.reports import Total
from consent_mw.stats.schemes import ANSWERED
from consent_mw.stats.schemes import COLUMNS
from consent_mw.stats.schemes import GRANTED
from consent_mw.stats.schemes import WITHOUT

#: About as many points as a chart can show.
POINTS = 120
#: Days of one point, the smallest that keeps a chart under POINTS.
_WIDTHS = (1, 7, 14, 28, 56, 112)


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
    runs = _Runs(figures, start, last)
    width = next((width for width in _WIDTHS if last - first < width * POINTS), _WIDTHS[-1])
    before = _period(runs, start, first - 1)
    period = _period(runs, first, last, width)
    earlier = {purpose.id: purpose.answers for purpose in before.purposes}
    purposes = [replace(each, change=change(each.answers, earlier.get(each.id))) for each in period.purposes]
    purposes.sort(key=lambda each: (-each.answers.share if each.answers else 1.0, each.id))
    known = sorted([*_marks(runs.between(schemes.REVISION_TABLE, start, last)), *revisions], key=attrgetter("first"))
    marks = tuple(mark for mark in known if first <= mark.last <= last)
    return Report(
        period=replace(period, purposes=tuple(purposes)),
        before=before,
        answers=change(period.answers, before.answers),
        visits=change(period.visits, before.visits),
        reached=change(period.reached, before.reached),
        width=width,
        line=tuple(map(_point, _buckets(runs.between(schemes.ANSWERS_TABLE, first, last), width))),
        tables=tuple(_table(name, runs.between(name, first, last)) for name in DIMENSIONS),
        marks=marks,
        since=_since(runs, marks[-1], start, last) if marks else {},
    )


class _Runs:
    """The figures by table, each by day."""

    def __init__(self, figures: Iterable[Figures], start: int, last: int) -> None:
        self._tables: dict[str, list[Figures]] = {}
        for run in figures:
            if start <= run.last <= last:
                self._tables.setdefault(run.table, []).append(run)
        # A purpose may have a table of its own, and so may a number that stands alone.
        for name in [name for name in self._tables if name.startswith(f"{schemes.PURPOSE_TABLE}/")]:
            self._tables.setdefault(schemes.PURPOSE_TABLE, []).extend(self._tables.pop(name))
        for name in schemes.SINGLES:
            self._tables.setdefault(schemes.BESIDE_TABLE, []).extend(self._tables.pop(name, ()))
        for runs in self._tables.values():
            runs.sort(key=attrgetter("last"))
        self._days = {name: [run.last for run in runs] for name, runs in self._tables.items()}
        answers = self._tables.get(schemes.ANSWERS_TABLE, [])
        self._first = answers[0].first if answers else 0
        self._asked = [0, *accumulate(_Sums([run]).total(ASKED) or 0 for run in answers)]

    def between(self, name: str, first: int, last: int) -> list[Figures]:
        """Return the runs of a table whose last day lies between the two."""
        days = self._days.get(name, [])
        return self._tables.get(name, [])[bisect_left(days, first) : bisect_right(days, last)]

    def asked(self, run: Figures) -> int | None:
        """Return how many visits were asked in a run that is made of whole runs of answers, or None if unknown."""
        days = self._days.get(schemes.ANSWERS_TABLE, [])
        if not days or run.first < self._first or run.last > days[-1]:
            return None
        return self._asked[bisect_right(days, run.last)] - self._asked[bisect_left(days, run.first)]


class _Sums:
    """What runs of table "answers" come to, by their schemes."""

    def __init__(self, runs: Iterable[Figures]) -> None:
        found: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for run in runs:
            sums = found.setdefault(tuple(run.cells), [0] * (len(run.cells) + 1))
            sums[-1] += run.last - run.first + 1
            for at, number in enumerate(run.cells.values()):
                sums[at] += number
        self._schemes = [
            (
                tuple(column for _, column in keys),
                dict(zip((column for _, column in keys), sums, strict=False)),
                sums[-1],
            )
            for keys, sums in found.items()
        ]

    def total(self, column: str) -> int | None:
        """Return the sum of a column, or None where not every run tells it."""
        told = [_told(scheme, sums, column) for scheme, sums, _ in self._schemes]
        known = [number for number in told if number is not None]
        return sum(known) if known and len(known) == len(told) else None

    def totals(self) -> dict[str, Total]:
        """Return the sum of each column over the runs that tell it."""
        found: dict[str, Total] = {}
        for column in COLUMNS:
            told = [(_told(scheme, sums, column), days) for scheme, sums, days in self._schemes]
            known = [(number, days) for number, days in told if number is not None]
            if known:
                found[column] = Total(sum(number for number, _ in known), sum(days for _, days in known))
        return found

    def rate(self, column: str, of: str) -> Rate | None:
        """Return the share of two columns over the runs that tell both."""
        pairs = [(_told(scheme, sums, column), _told(scheme, sums, of)) for scheme, sums, _ in self._schemes]
        known = [(count, whole) for count, whole in pairs if count is not None and whole is not None]
        return wilson(sum(count for count, _ in known), sum(whole for _, whole in known))


def _told(scheme: tuple[str, ...], sums: Mapping[str, int], column: str) -> int | None:
    chosen = schemes.parts(scheme, column)
    return None if chosen is None else sum(map(sums.__getitem__, chosen))


def _span(runs: Sequence[Figures]) -> Span | None:
    return Span(runs[0].first, runs[-1].last, sum(run.last - run.first + 1 for run in runs)) if runs else None


def _period(runs: _Runs, first: int, last: int, width: int = 0) -> Period:
    """Sum a period up; with ``width`` 0 without the time lines of its purposes."""
    answers = runs.between(schemes.ANSWERS_TABLE, first, last)
    sums = _Sums(answers)
    return Period(
        first=first,
        last=last,
        covered=_span(answers),
        totals={**sums.totals(), **_beside(runs.between(schemes.BESIDE_TABLE, first, last))},
        answers=sums.rate(GRANTED, ANSWERED),
        accepted=sums.rate(ACCEPT, ANSWERED),
        visits=sums.rate(GRANTED, ASKED),
        reached=sums.rate(ANSWERED, ASKED),
        purposes=tuple(_purposes(runs, first, last, width)),
    )


def _beside(runs: Iterable[Figures]) -> dict[str, Total]:
    numbers: dict[str, list[int]] = {}
    for run in runs:
        for (since, name), number in run.cells.items():
            sums = numbers.setdefault(name, [0, 0])
            sums[0] += number
            sums[1] += run.last - (int(since) if since else run.first) + 1
    return {name: Total(*numbers[name]) for name in schemes.SINGLES if name in numbers}


# -- purposes


def _purposes(runs: _Runs, first: int, last: int, width: int) -> Iterator[Purpose]:
    own: dict[str, list[tuple[Figures, _Share]]] = {}
    for run in runs.between(schemes.PURPOSE_TABLE, first, last):
        asked = runs.asked(run)
        for purpose, share in _shares(run).items():
            own.setdefault(purpose, []).append((run, share.among(asked)))
    for purpose, each in sorted(own.items()):
        whole = _purpose_point(each)
        covered = _span([run for run, _ in each])
        line = tuple(map(_purpose_point, _purpose_buckets(each, width))) if width else ()
        if covered:
            yield Purpose(purpose, whole.answers, whole.visits, covered, line)


class _Share:
    """How many granted a purpose in one run, of how many who answered, and of how many who were asked."""

    __slots__ = ("answers", "asked", "granted", "sure")

    def __init__(self) -> None:
        self.granted = self.sure = self.answers = 0
        self.asked: int | None = None

    def among(self, asked: int | None) -> _Share:
        """Add how many were asked."""
        self.asked = asked
        return self


def _shares(run: Figures) -> dict[str, _Share]:
    """Return what a run says of each purpose; what its columns stand for depends on its scheme."""
    rows: dict[str, dict[str, int]] = {}
    for (purpose, column), number in run.cells.items():
        rows.setdefault(purpose, {})[column] = number
    found: dict[str, _Share] = {}
    for purpose, cells in rows.items():
        share = found[purpose] = _Share()
        for column in cells:
            # Those who granted it stand in a column named after those it was taken from; to accept is to grant it.
            if column == ACCEPT or column + WITHOUT in cells:
                share.granted += cells[column]
        if _answers_in(tuple(cells)):
            share.sure, share.answers = share.granted, sum(cells.values())
    return found


def _answers_in(columns: tuple[str, ...]) -> bool:
    """Return whether the columns share out all answers, and nothing else."""
    return schemes.parts(tuple(name for name in columns if not name.endswith(WITHOUT)), ANSWERED) is not None


def _purpose_point(each: Sequence[tuple[Figures, _Share]]) -> Point:
    granted = sum(share.granted for _, share in each)
    known = [(share.granted, share.asked) for _, share in each if share.asked is not None]
    answers = wilson(sum(share.sure for _, share in each), sum(share.answers for _, share in each))
    visits = wilson(sum(count for count, _ in known), sum(asked for _, asked in known))
    return Point(each[0][0].first, each[-1][0].last, {GRANTED: granted}, answers, visits)


def _purpose_buckets(each: Sequence[tuple[Figures, _Share]], width: int) -> Iterator[Sequence[tuple[Figures, _Share]]]:
    begin = 0
    for bucket in _buckets([run for run, _ in each], width):
        yield each[begin : begin + len(bucket)]
        begin += len(bucket)


# -- the time line


def _buckets(runs: Sequence[Figures], width: int) -> Iterator[list[Figures]]:
    """Yield runs in a row whose last days lie in the same ``width`` days, counted from a Monday."""
    bucket: list[Figures] = []
    for run in runs:
        if bucket and (run.last + 3) // width != (bucket[0].last + 3) // width:
            yield bucket
            bucket = []
        bucket.append(run)
    if bucket:
        yield bucket


def _point(bucket: Sequence[Figures]) -> Point:
    sums = _Sums(bucket)
    totals = {column: number for column in COLUMNS if (number := sums.total(column)) is not None}
    return Point(
        bucket[0].first,
        bucket[-1].last,
        totals,
        sums.rate(GRANTED, ANSWERED),
        sums.rate(GRANTED, ASKED),
        sums.rate(ANSWERED, ASKED),
    )


# -- tables


def _table(name: str, runs: Sequence[Figures]) -> Table:
    """Sum a dimension up: each column over the runs that tell it, the same ones for every row."""
    found: dict[tuple[str, ...], dict[str, dict[str, int]]] = {}
    days: dict[str, int] = {}
    for run in runs:
        scheme = tuple(sorted({column for _, column in run.cells}))
        rows = found.setdefault(scheme, {})
        for (value, column), number in run.cells.items():
            row = rows.get(value)
            if row is None:
                row = rows[value] = dict.fromkeys(scheme, 0)
            row[column] += number
        for value in {value for value, _ in run.cells}:
            days[value] = days.get(value, 0) + run.last - run.first + 1
    columns = tuple(column for column in COLUMNS if any(schemes.parts(scheme, column) for scheme in found))
    if not columns:
        return Table(name, (), (), {}, None)
    counts = {value: dict.fromkeys(columns, 0) for value in days}
    for scheme, rows in found.items():
        for value, row in rows.items():
            for column in columns:
                counts[value][column] += _told(scheme, row, column) or 0
    totals = {column: sum(row[column] for row in counts.values()) for column in columns}
    widest = columns[0]
    made = [
        Row(
            value=value,
            counts=row,
            share=row[widest] / totals[widest],
            answers=_row_rate(found, value, ANSWERED),
            visits=_row_rate(found, value, ASKED),
            days=days[value],
        )
        for value, row in counts.items()
    ]
    made.sort(key=lambda row: (row.value == OTHER, row.value == UNKNOWN, -row.counts[widest], row.value))
    return Table(name, columns, tuple(made), totals, _span(runs))


def _row_rate(found: Mapping[tuple[str, ...], Mapping[str, Mapping[str, int]]], value: str, of: str) -> Rate | None:
    """Return the share of a row that granted something, over the runs that tell it."""
    count = whole = 0
    for scheme, rows in found.items():
        if value in rows:
            granted, all_ = _told(scheme, rows[value], GRANTED), _told(scheme, rows[value], of)
            if granted is not None and all_ is not None:
                count, whole = count + granted, whole + all_
    return wilson(count, whole)


# -- changes of the notice


def _marks(runs: Iterable[Figures]) -> Iterator[Mark]:
    for run in runs:
        for revision, column in run.cells:
            if column == schemes.SINCE:
                yield Mark(run.first, run.last, revision)


def _since(runs: _Runs, mark: Mark, start: int, last: int) -> dict[str, Since]:
    """Compare what followed the mark with as many days before it, as far as both were published."""
    after = _period(runs, mark.first, last)
    before = _period(runs, max(start, 2 * mark.first - last - 1), mark.first - 1)
    earlier = {"": before.answers, **{purpose.id: purpose.answers for purpose in before.purposes}}
    later = {"": after.answers, **{purpose.id: purpose.answers for purpose in after.purposes}}
    found: dict[str, Since] = {}
    for purpose, now in later.items():
        then = earlier.get(purpose)
        moved = change(now, then)
        if now is not None and then is not None and moved is not None:
            found[purpose] = Since(mark, purpose, now, then, moved)
    return found
