"""Exports of a report as JSON and CSV, with the same figures as the pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import K
from consent_mw.core.days import iso
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.reports import Period
from consent_mw.stats.reports import Point
from consent_mw.stats.reports import Report
from consent_mw.stats.reports import Span
from consent_mw.stats.reports import Table
from consent_mw.stats.reports import Total
from consent_mw.stats.schemes import COLUMNS
from consent_mw.stats.schemes import SINGLES
from consent_mw.stats.sentence import plain_sentence
from consent_mw.stats.wordings import ComparedWording

FORMAT = "consent_mw.stats.v1"
#: The tables that :func:`as_csv` can return.
TABLES = ("totals", "line", "purposes", *DIMENSIONS)


def as_json(
    report: Report,
    *,
    labels: Mapping[str, str] | None = None,
    notes: Iterable[tuple[int, str]] = (),
    wordings: Iterable[ComparedWording] = (),
) -> dict[str, object]:
    """
    Return the report as JSON data: days as YYYY-MM-DD, rates from 0 to 1, changes in percentage points.

    Args:
        report: The report.
        labels: Names of purposes by id, as used within a sentence.
        notes: The owner's notes, each with its day.
        wordings: The wordings that are compared.
    """
    return {
        "format": FORMAT,
        "smallest_cell": K,
        "sentence": plain_sentence(report, labels),
        "period": _period(report.period),
        "before": _period(report.before),
        "change": {
            "answers": _change(report.answers),
            "visits": _change(report.visits),
            "reached": _change(report.reached),
        },
        "point_days": report.width,
        "line": [_point(point) for point in report.line],
        "line_before": [_point(point) for point in report.line_before],
        "tables": {table.name: _table(table) for table in report.tables},
        "notices": [
            {"first": iso(mark.first), "last": iso(mark.last), "revision": mark.revision} for mark in report.marks
        ],
        "annotations": [{"day": iso(day), "text": text} for day, text in notes],
        "wordings": [
            {
                "form": one.form,
                "visits": _rate(one.visits),
                "answers": _rate(one.answers),
                "difference": _change(one.difference),
            }
            for one in wordings
        ],
        "since_notice": {
            purpose or "any": {
                "notice": iso(since.mark.first),
                "after": _rate(since.after),
                "before": _rate(since.before),
                "change": _change(since.change),
            }
            for purpose, since in report.since.items()
        },
    }


def as_csv(report: Report, table: str) -> str:
    """
    Return one table as CSV (RFC 4180) with a header line; rates from 0 to 1.

    Raises:
        KeyError: if ``table`` is not in TABLES.
    """
    if table not in TABLES:
        raise KeyError(table)
    out = io.StringIO()
    writer = csv.writer(out)
    for row in _rows(report, table):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _rows(report: Report, table: str) -> Iterator[list[object]]:
    if table == "totals":
        yield ["outcome", "count", "days", "count_before", "days_before"]
        for column in (*COLUMNS, *SINGLES):
            now, then = report.period.totals.get(column), report.before.totals.get(column)
            if now or then:
                yield [column, *_count(now), *_count(then)]
    elif table == "line":
        yield ["first", "last", *COLUMNS, *_heads("answers"), *_heads("visits")]
        for point in report.line:
            counts = [point.totals.get(column) for column in COLUMNS]
            yield [iso(point.first), iso(point.last), *counts, *_triple(point.answers), *_triple(point.visits)]
    elif table == "purposes":
        yield ["purpose", "first", "last", "days", *_heads("answers"), *_heads("visits"), "change", "low", "high"]
        for purpose in report.period.purposes:
            moved = purpose.change
            yield [
                purpose.id,
                iso(purpose.covered.first),
                iso(purpose.covered.last),
                purpose.covered.days,
                *_triple(purpose.answers),
                *_triple(purpose.visits),
                *((round(moved.points, 2), round(moved.low, 2), round(moved.high, 2)) if moved else ("", "", "")),
            ]
    else:
        found = next(each for each in report.tables if each.name == table)
        yield [table, *found.columns, "share", "days", *_heads("answers"), *_heads("visits")]
        for row in found.rows:
            counts = [row.counts[column] for column in found.columns]
            yield [
                row.value,
                *counts,
                round(row.share, 6),
                row.days,
                *_triple(row.answers),
                *_triple(row.visits),
            ]


def _count(total: Total | None) -> list[object]:
    return [total.count, total.days] if total else ["", ""]


def _heads(name: str) -> list[str]:
    return [f"{name}_rate", f"{name}_low", f"{name}_high"]


def _triple(rate: Rate | None) -> list[object]:
    return [round(rate.share, 6), round(rate.low, 6), round(rate.high, 6)] if rate else ["", "", ""]


def _cell(value: object) -> object:
    """Escape a string that a spreadsheet would read as a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return "" if value is None else value


def _span(span: Span | None) -> dict[str, object] | None:
    return {"first": iso(span.first), "last": iso(span.last), "days": span.days} if span else None


def _rate(rate: Rate | None) -> dict[str, object] | None:
    if rate is None:
        return None
    return {
        "count": rate.count,
        "of": rate.of,
        "share": round(rate.share, 6),
        "low": round(rate.low, 6),
        "high": round(rate.high, 6),
    }


def _change(change: RateChange | None) -> dict[str, object] | None:
    if change is None:
        return None
    return {
        "points": round(change.points, 2),
        "low": round(change.low, 2),
        "high": round(change.high, 2),
        "certain": change.certain,
    }


def _period(period: Period) -> dict[str, object]:
    return {
        "first": iso(period.first),
        "last": iso(period.last),
        "covered": _span(period.covered),
        "totals": {name: {"count": total.count, "days": total.days} for name, total in period.totals.items()},
        "answers": _rate(period.answers),
        "accepted": _rate(period.accepted),
        "visits": _rate(period.visits),
        "reached": _rate(period.reached),
        "purposes": {
            purpose.id: {
                "answers": _rate(purpose.answers),
                "visits": _rate(purpose.visits),
                "covered": _span(purpose.covered),
                "change": _change(purpose.change),
                "line": [_point(point) for point in purpose.line],
            }
            for purpose in period.purposes
        },
    }


def _point(point: Point) -> dict[str, object]:
    return {
        "first": iso(point.first),
        "last": iso(point.last),
        "totals": dict(point.totals),
        "answers": _rate(point.answers),
        "visits": _rate(point.visits),
        "reached": _rate(point.reached),
    }


def _table(table: Table) -> dict[str, object]:
    return {
        "columns": list(table.columns),
        "covered": _span(table.covered),
        "totals": dict(table.totals),
        "rows": [
            {
                "value": row.value,
                "counts": dict(row.counts),
                "share": round(row.share, 6),
                "days": row.days,
                "answers": _rate(row.answers),
                "visits": _rate(row.visits),
            }
            for row in table.rows
        ],
    }
