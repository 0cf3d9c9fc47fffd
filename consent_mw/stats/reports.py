"""The data of a report, which :mod:`consent_mw.stats.queries` computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange


@dataclass(frozen=True, slots=True)
class Span:
    """The extent of published runs: the first and the last day, and the number of days without gaps."""

    first: int
    last: int
    days: int


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over the runs that have the column; ``days`` is smaller than the period's if some runs were merged."""

    count: int
    days: int


@dataclass(frozen=True, slots=True)
class PurposeShare:
    """
    The share of grants of a purpose.

    Args:
        answers: Of all answers; None if none were published.
        visits: Of all visits that were asked.
        line: The shares over time.
    """

    id: str
    answers: Rate | None
    visits: Rate | None
    covered: Span
    line: tuple[Point, ...] = ()
    change: RateChange | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """
    One point of a time line: one run, or several consecutive ones.

    Args:
        totals: The sums of the columns that all its runs have.
        answers: The share of answers that granted something; for a purpose, the share that granted it.
        visits: The same share of all visits that were asked.
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
        value: The value of the dimension; OTHER for all that are too rare for their own row, UNKNOWN if it is unknown.
        counts: The counts by column of the table.
        share: The share of the table's widest column, 0 to 1.
        days: Days of the runs in which the value had its own row; in other runs it is part of OTHER.
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
    One dimension; ``rows`` is empty if nothing could be published.

    Args:
        columns: The columns that any run has, the widest first.
        totals: The sums of the rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: Mapping[str, int]
    covered: Span | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of the notice: the first and last day of the run in which the new revision appeared."""

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
        covered: The published part; None if nothing was published.
        totals: By column (``asked``, ``accept``, …, and the single numbers); columns without data are absent.
        answers: The share of answers that granted something.
        accepted: The share of answers that granted everything.
        visits: The share of visits asked that granted something; visits without an answer did not grant.
        reached: The share of visits asked that answered at all.
        opened: The share of visits asked that answered after they had opened the choices.
    """

    first: int
    last: int
    covered: Span | None
    totals: Mapping[str, Total]
    answers: Rate | None
    accepted: Rate | None
    visits: Rate | None
    reached: Rate | None
    opened: Rate | None
    purposes: tuple[PurposeShare, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """A rate since a change of the notice, and for as many days before it; ``purpose`` is empty for any grant."""

    mark: Mark
    purpose: str
    after: Rate
    before: Rate
    change: RateChange


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the pages show: the chosen period, the previous one of the same length, and the changes."""

    period: Period
    before: Period
    answers: RateChange | None
    visits: RateChange | None
    reached: RateChange | None
    #: Days per point of the time line; 1 if each run has its own point.
    width: int
    line: tuple[Point, ...]
    #: The same line for the previous period, with its own days.
    line_before: tuple[Point, ...]
    tables: tuple[Table, ...]
    marks: tuple[Mark, ...]
    #: The rate since the last change of the notice by purpose id; "" means any grant.
    since: Mapping[str, Since]
