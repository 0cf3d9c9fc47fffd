"""The content of a report: values only, made by :mod:`consent_mw.stats.queries`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange


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
class PurposeShare:
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
    change: RateChange | None = None


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
    purposes: tuple[PurposeShare, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """A rate from a change of the notice to the period's end, and for as long before; purpose empty for any grant."""

    mark: Mark
    purpose: str
    after: Rate
    before: Rate
    change: RateChange


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the pages show: the period chosen, the one of the same length before it, and what changed."""

    period: Period
    before: Period
    answers: RateChange | None
    visits: RateChange | None
    reached: RateChange | None
    #: Days of one point of the time line; 1 where each run has its own.
    width: int
    line: tuple[Point, ...]
    #: The same line of the period before, on its own days.
    line_before: tuple[Point, ...]
    tables: tuple[Table, ...]
    marks: tuple[Mark, ...]
    #: By purpose id, and "" for any grant: the rate since the last change of the notice.
    since: Mapping[str, Since]
