"""
Evaluates the published figures of a period, for pages, JSON, CSV, terminal and cron.

Everything is a sum of whole published runs, so no query reveals anything beyond the figures. A run belongs to the
period that contains its last day. So every run belongs to exactly one of several adjacent periods, and each answer
states which days it covers.

Three years have about four thousand runs. They are first summed per scheme, and each scheme is evaluated once.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from operator import add
from operator import attrgetter

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import OPENED
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
from consent_mw.stats.reports import PurposeShare
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

#: Approximate number of points that a chart can show.
POINTS = 120
#: Days per point; the smallest width that keeps a chart within POINTS is used.
_WIDTHS = (1, 7, 14, 28, 56, 112)


def first_needed(first: int, last: int) -> int:
    """Return the first day that :func:`report` reads, including the previous period."""
    return max(0, first - (last - first + 1))


def report(figures: Iterable[Figures], *, first: int, last: int, revisions: Iterable[Mark] = ()) -> Report:
    """
    Return the report for the days from ``first`` to ``last``.

    Args:
        figures: The figures from :func:`first_needed` to ``last``; others are ignored.
        first: The first day of the period.
        last: Its last day.
        revisions: Known changes of the notice besides those in the figures.
    """
    start = first_needed(first, last)
    runs = _Runs(figures, start, last)
    width = next((width for width in _WIDTHS if last - first < width * POINTS), _WIDTHS[-1])
    before = _period(runs, start, first - 1, width)
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
        line_before=tuple(map(_point, _buckets(runs.between(schemes.ANSWERS_TABLE, start, first - 1), width))),
        tables=tuple(table_of(name, runs.between(name, first, last)) for name in DIMENSIONS),
        marks=marks,
        since=_since(runs, marks[-1], start, last) if marks else {},
    )


class _Runs:
    """The figures by table, sorted by their last day."""

    def __init__(self, figures: Iterable[Figures], start: int, last: int) -> None:
        self._tables: dict[str, list[Figures]] = {}
        for run in figures:
            if start <= run.last <= last:
                self._tables.setdefault(run.table, []).append(run)
        # Merge the tables of single purposes and numbers.
        for name in [name for name in self._tables if name.startswith(f"{schemes.PURPOSE_TABLE}/")]:
            self._tables.setdefault(schemes.PURPOSE_TABLE, []).extend(self._tables.pop(name))
        for name in schemes.SINGLES:
            self._tables.setdefault(schemes.BESIDE_TABLE, []).extend(self._tables.pop(name, ()))
        for runs in self._tables.values():
            runs.sort(key=attrgetter("last"))
        self._days = {name: [run.last for run in runs] for name, runs in self._tables.items()}
        answers = self._tables.get(schemes.ANSWERS_TABLE, [])
        self._first = answers[0].first if answers else 0
        # The columns of every scheme partition all visits.
        self._asked = [0, *accumulate(sum(run.cells.values()) for run in answers)]

    def between(self, name: str, first: int, last: int) -> list[Figures]:
        """Return the runs of a table whose last day is from ``first`` to ``last``."""
        days = self._days.get(name, [])
        return self._tables.get(name, [])[bisect_left(days, first) : bisect_right(days, last)]

    def asked(self, run: Figures) -> int | None:
        """Return the visits asked in a run that consists of whole runs of answers, or None if unknown."""
        return self.asked_from(run.first, run.last)

    def asked_from(self, first: int, last: int) -> int | None:
        """Return the visits asked in these days, of which whole runs of answers consist, or None if unknown."""
        days = self._days.get(schemes.ANSWERS_TABLE, [])
        if not days or first < self._first or last > days[-1]:
            return None
        return self._asked[bisect_right(days, last)] - self._asked[bisect_left(days, first)]


class _Group:
    """The sum of runs with the same cells."""

    __slots__ = ("asked", "cells", "days", "ends", "first", "last", "size")

    def __init__(self, run: Figures, asked: int | None) -> None:
        self.asked = asked
        self.cells = list(run.cells.values())
        self.days = run.last - run.first + 1
        self.first, self.last = run.first, run.last
        self.size = 1
        #: The sum of the last days, for numbers that start later than their run.
        self.ends = run.last

    def add(self, run: Figures, asked: int | None) -> None:
        """Add a later run with the same cells."""
        self.asked = None if self.asked is None or asked is None else self.asked + asked
        self.cells = list(map(add, self.cells, run.cells.values()))
        self.days += run.last - run.first + 1
        self.last = run.last
        self.size += 1
        self.ends += run.last


_Keys = tuple[tuple[str, str], ...]


def _grouped(runs: Iterable[Figures], asked: Callable[[Figures], int | None] | None = None) -> dict[_Keys, _Group]:
    """Sum up runs that have the same cells; ``asked`` returns the number of visits asked in a run."""
    found: dict[_Keys, _Group] = {}
    for run in runs:
        keys = tuple(run.cells)
        group = found.get(keys)
        visits = asked(run) if asked else None
        if group is None:
            found[keys] = _Group(run, visits)
        else:
            group.add(run, visits)
    return found


def _told(scheme: tuple[str, ...], sums: Mapping[str, int], column: str) -> int | None:
    chosen = schemes.parts(scheme, column)
    return None if chosen is None else sum(map(sums.__getitem__, chosen))


class _Answers:
    """The sums over runs of table "answers"."""

    def __init__(self, groups: Mapping[_Keys, _Group]) -> None:
        self._schemes: list[tuple[tuple[str, ...], dict[str, int], int]] = []
        for keys, group in groups.items():
            scheme = tuple(column for _, column in keys)
            self._schemes.append((scheme, dict(zip(scheme, group.cells, strict=True)), group.days))

    def total(self, column: str) -> int | None:
        """Return the sum of a column, or None if not every run has it."""
        told = [_told(scheme, sums, column) for scheme, sums, _ in self._schemes]
        known = [number for number in told if number is not None]
        return sum(known) if known and len(known) == len(told) else None

    def totals(self) -> dict[str, Total]:
        """Return the sum of each column over the runs that have it."""
        found: dict[str, Total] = {}
        for column in COLUMNS:
            told = [(_told(scheme, sums, column), days) for scheme, sums, days in self._schemes]
            known = [(number, days) for number, days in told if number is not None]
            if known:
                found[column] = Total(sum(number for number, _ in known), sum(days for _, days in known))
        return found

    def rate(self, column: str, of: str) -> Rate | None:
        """Return the ratio of two columns over the runs that have both."""
        pairs = [(_told(scheme, sums, column), _told(scheme, sums, of)) for scheme, sums, _ in self._schemes]
        known = [(count, whole) for count, whole in pairs if count is not None and whole is not None]
        return wilson(sum(count for count, _ in known), sum(whole for _, whole in known))


def _span(runs: Sequence[Figures]) -> Span | None:
    return Span(runs[0].first, runs[-1].last, sum(run.last - run.first + 1 for run in runs)) if runs else None


def _period(runs: _Runs, first: int, last: int, width: int = 0) -> Period:
    """Sum up a period; a ``width`` of 0 omits the time lines of its purposes."""
    own = runs.between(schemes.ANSWERS_TABLE, first, last)
    beside = runs.between(schemes.BESIDE_TABLE, first, last)
    answers = _Answers(_grouped(own))
    return Period(
        first=first,
        last=last,
        covered=_span(own),
        totals={**answers.totals(), **_beside(_grouped(beside))},
        answers=answers.rate(GRANTED, ANSWERED),
        accepted=answers.rate(ACCEPT, ANSWERED),
        visits=answers.rate(GRANTED, ASKED),
        reached=answers.rate(ANSWERED, ASKED),
        opened=_share_of_asked(runs, beside, OPENED),
        purposes=tuple(_purposes(runs, runs.between(schemes.PURPOSE_TABLE, first, last), width)),
    )


def _beside(groups: Mapping[_Keys, _Group]) -> dict[str, Total]:
    numbers: dict[str, tuple[int, int]] = {}
    for keys, group in groups.items():
        for (since, name), number in zip(keys, group.cells, strict=True):
            days = group.ends - group.size * (int(since) - 1) if since else group.days
            count, before = numbers.get(name, (0, 0))
            numbers[name] = count + number, before + days
    return {name: Total(*numbers[name]) for name in schemes.SINGLES if name in numbers}


def _share_of_asked(runs: _Runs, beside: Iterable[Figures], name: str) -> Rate | None:
    """Return a single number's share of the visits that were asked, over the days that have both."""
    count = whole = 0
    for run in beside:
        for (since, single), number in run.cells.items():
            if single != name:
                continue
            asked = runs.asked_from(int(since) if since else run.first, run.last)
            if asked is not None:
                count, whole = count + number, whole + asked
    return wilson(count, whole)


# -- purposes


class _Shares:
    """Sums over consecutive runs: grants of a purpose, the visits that answered, and the visits that were asked."""

    __slots__ = ("answers", "asked", "days", "first", "granted", "last", "seen", "sure")

    def __init__(self) -> None:
        self.granted = self.sure = self.answers = self.seen = self.asked = self.days = self.last = 0
        self.first = -1

    def add(self, group: _Group, granted: int, answers: int, asked: int | None) -> None:
        """Add runs; ``answers`` is 0 if they do not have that number."""
        self.granted += granted
        self.days += group.days
        self.first = group.first if self.first < 0 else min(self.first, group.first)
        self.last = max(self.last, group.last)
        if answers:
            self.sure += granted
            self.answers += answers
        if asked is not None:
            self.seen += granted
            self.asked += asked

    def point(self) -> Point:
        """Return the shares as a point of a time line."""
        answers, visits = wilson(self.sure, self.answers), wilson(self.seen, self.asked)
        return Point(self.first, self.last, {GRANTED: self.granted}, answers, visits)


@lru_cache(maxsize=256)
def _layout(keys: _Keys) -> tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]:
    """Return for each purpose the positions of the cells with its grants, and of the cells with all answers."""
    found = []
    for purpose in dict.fromkeys(purpose for purpose, _ in keys):
        places = {column: at for at, (each, column) in enumerate(keys) if each == purpose}
        # Grants of a purpose are in the column that was split into it and WITHOUT. Full acceptances grant it, too.
        granted = tuple(at for column, at in places.items() if column == ACCEPT or column + WITHOUT in places)
        whole = schemes.parts(tuple(column for column in places if not column.endswith(WITHOUT)), ANSWERED)
        found.append((purpose, granted, tuple(places.values()) if whole else ()))
    return tuple(found)


def _purposes(runs: _Runs, own: Sequence[Figures], width: int) -> Iterator[PurposeShare]:
    wholes: dict[str, _Shares] = {}
    lines: dict[str, list[Point]] = {}
    for bucket in _buckets(own, width) if width else [own]:
        shares: dict[str, _Shares] = {}
        for keys, group in _grouped(bucket, runs.asked).items():
            asked = group.asked
            for purpose, granted, answers in _layout(keys):
                count = sum([group.cells[at] for at in granted])
                whole = sum([group.cells[at] for at in answers])
                shares.setdefault(purpose, _Shares()).add(group, count, whole, asked)
                wholes.setdefault(purpose, _Shares()).add(group, count, whole, asked)
        for purpose, share in shares.items():
            lines.setdefault(purpose, []).append(share.point())
    for purpose, share in sorted(wholes.items()):
        point = share.point()
        line = tuple(lines[purpose]) if width else ()
        yield PurposeShare(purpose, point.answers, point.visits, Span(share.first, share.last, share.days), line)


# -- the time line


def _buckets(runs: Sequence[Figures], width: int) -> Iterator[list[Figures]]:
    """Yield groups of consecutive runs whose last days are in the same ``width`` days, counted from a Monday."""
    bucket: list[Figures] = []
    for run in runs:
        if bucket and (run.last + 3) // width != (bucket[0].last + 3) // width:
            yield bucket
            bucket = []
        bucket.append(run)
    if bucket:
        yield bucket


def _point(bucket: Sequence[Figures]) -> Point:
    sums = _Answers(_grouped(bucket))
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


def table_of(name: str, runs: Sequence[Figures]) -> Table:
    """Sum up a dimension: each column over the runs that have it, which are the same for every row."""
    found: dict[tuple[str, ...], dict[str, dict[str, int]]] = {}
    days: dict[str, int] = {}
    for keys, group in _grouped(runs).items():
        scheme = tuple(dict.fromkeys(column for _, column in keys))
        rows = found.setdefault(tuple(sorted(scheme)), {})
        for value in dict.fromkeys(value for value, _ in keys):
            rows.setdefault(value, dict.fromkeys(scheme, 0))
            days[value] = days.get(value, 0) + group.days
        for (value, column), number in zip(keys, group.cells, strict=True):
            rows[value][column] += number
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
    """Return the share of a row's visits that granted something, over the runs that have both numbers."""
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
    """Compare the days after the mark with as many days before it, as far as both were published."""
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
