"""Renders a report as text for a terminal: the figures of the pages, with bars that fit the width."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from consent_mw.core.counts import OTHER
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import K
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.reports import Point
from consent_mw.stats.reports import Report
from consent_mw.stats.reports import Span
from consent_mw.stats.reports import Table
from consent_mw.stats.sentence import date_of
from consent_mw.stats.sentence import label
from consent_mw.stats.sentence import percent
from consent_mw.stats.sentence import plain
from consent_mw.stats.sentence import plain_sentence
from consent_mw.stats.sentence import points
from consent_mw.stats.words import ENGLISH

__all__ = ["TerminalStyle", "draw"]

#: Height of the chart in lines, and its maximum width in columns.
HEIGHT = 6
WIDEST = 100
#: The most rows of a table that are printed; JSON and CSV have all of them.
ROWS = 10

#: Columns, whose texts are those of the page (``c.…``).
_OUTCOMES = ("accept", "partial", "granted", "reject", "unanswered", "ungranted")
_SINGLES = ("opened", "gpc", "withdraw", "shown")


def _plain(text: str, _style: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class TerminalStyle:
    """
    How to render a report.

    Args:
        width: The width of the terminal in columns.
        ascii: Whether only ASCII can be shown.
        styled: Applies a style to a text: ``strong``, ``faint``, ``good``, ``bad`` or ``bar``.
    """

    width: int = 80
    ascii: bool = False
    styled: Callable[[str, str], str] = _plain

    def bar(self, share: float, width: int) -> str:
        """Return a bar for a share, padded with blanks to ``width`` columns."""
        share = min(1.0, max(0.0, share))
        if self.ascii:
            return ("#" * round(share * width)).ljust(width)
        eighths = round(share * width * 8)
        full, rest = divmod(eighths, 8)
        return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)

    def text(self, text: str) -> str:
        """Return the text with characters replaced that cannot be shown."""
        return text.replace("–", "-").replace("·", "-").encode("ascii", "replace").decode() if self.ascii else text


def draw(
    report: Report,
    look: TerminalStyle,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    notes: Sequence[tuple[int, str]] = (),
) -> str:
    """
    Return the report as text.

    Args:
        report: The report.
        look: How to render it.
        name: The name of the site.
        labels: Names of purposes by id, as used within a sentence.
        notes: The owner's notes, each with its day.
    """
    blocks = [_head(report, look, name, labels)]
    if notes:
        blocks.append([look.text(f"{_day(day, report.period.last)}: {text}") for day, text in notes])
    if report.period.covered:
        blocks += [_chart(report, look), _outcomes(report, look), _purposes(report, look, labels)]
        blocks += [_table(table, report, look) for table in report.tables if len(table.rows) > 1]
        blocks.append([look.styled(line, "faint") for line in _footnote(report, look)])
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _head(report: Report, look: TerminalStyle, name: str, labels: Mapping[str, str] | None) -> list[str]:
    period = report.period
    days = f"{_day(period.first, period.last)} to {_day(period.last, -1)}"
    title = f"{name} · {days}" if name else days
    lines = [look.styled(look.text(title), "strong"), ""]
    lines += _wrapped(look.text(plain_sentence(report, labels)), look.width)
    covered = period.covered
    if covered and (covered.first, covered.last) != (period.first, period.last):
        lines += [
            look.styled(line, "faint") for line in _wrapped(_say("context.covered", covered=_days(covered)), look.width)
        ]
    return lines


def _days(covered: Span) -> str:
    return f"{_day(covered.first, covered.last)} to {_day(covered.last, -1)}"


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > max(20, min(width, WIDEST)):
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _chart(report: Report, look: TerminalStyle) -> list[str]:
    """Draw the share of answers that granted something, with one or more columns per point."""
    line = [point for point in report.line if point.answers]
    room = min(look.width, WIDEST) - 7
    if len(line) < 2 or room < 10:
        return []
    while len(line) > room:  # more points than columns: use every other point
        line = line[::2]
    wide = max(1, min(4, room // len(line)))
    gap = 1 if wide > 2 and not look.ascii else 0
    lines = [look.styled(_say("line"), "strong")]
    levels = [round((point.answers.share if point.answers else 0) * HEIGHT * 8) for point in line]
    for row in range(HEIGHT - 1, -1, -1):
        name = {HEIGHT - 1: "100%", 0: "0%"}.get(row, "50%" if row == HEIGHT // 2 else "")
        cells = []
        for level in levels:
            part = min(8, max(0, level - 8 * row))
            block = ("#" if part >= 4 else " ") if look.ascii else " ▁▂▃▄▅▆▇█"[part]
            cells.append(block * (wide - gap) + " " * gap)
        axis = "|" if look.ascii else "┤" if name else "│"
        lines.append(f"{name:>5} {axis}" + look.styled("".join(cells), "bar"))
    columns = wide * len(line)
    marks = _marks(report, line, wide)
    if marks.strip():
        lines.append(" " * 7 + look.styled(marks.replace("^", "^" if look.ascii else "▲"), "strong"))
    first, last = _day(line[0].first, line[-1].last), _day(line[-1].last, line[0].first)
    lines.append(" " * 7 + look.styled(first + last.rjust(max(len(last) + 1, columns - len(first))), "faint"))
    if marks.strip():
        lines.append(" " * 7 + look.styled(f"{'^' if look.ascii else '▲'} {_say('line.key.flag')}", "faint"))
    return lines


def _marks(report: Report, line: Sequence[Point], wide: int) -> str:
    places = [" "] * (wide * len(line))
    for mark in report.marks:
        at = next((at for at, point in enumerate(line) if point.last >= mark.first), None)
        if at is not None:
            places[at * wide] = "^"
    return "".join(places)


def _outcomes(report: Report, look: TerminalStyle) -> list[str]:
    totals, before = report.period.totals, report.before.totals
    asked = totals.get("asked")
    if asked is None:
        return []
    shown = [name for name in ("accept", "partial", "reject", "unanswered") if name in totals]
    if "accept" not in totals:
        shown = [name for name in ("granted", "reject", "unanswered") if name in totals]
        if "reject" not in totals:
            shown = [name for name in ("granted", "ungranted") if name in totals]
    rows = [(_say(f"c.{name}"), totals[name].count) for name in _OUTCOMES if name in shown]
    first = max(len(text) for text in [*(text for text, _ in rows), *(_say(f"c.{name}") for name in _SINGLES)])
    second = max(len(f"{totals[name].count:,}") for name in totals)
    bars = max(0, min(look.width, WIDEST) - first - second - 12)
    was = f" ({before['asked'].count:,} before)" if "asked" in before else ""
    lines = [look.styled(f"{asked.count:,} visits were asked{was}", "strong")]
    for text, count in rows:
        share = count / asked.count
        bar = look.styled(look.bar(share, bars), "bar")
        lines.append(f"  {text.ljust(first)}  {count:>{second},}  {share:>4.0%}  {bar}")
    for name in _SINGLES:
        if name in totals:
            lines.append(f"  {look.styled(_say(f'c.{name}').ljust(first), 'faint')}  {totals[name].count:>{second},}")
    return lines


def _purposes(report: Report, look: TerminalStyle, labels: Mapping[str, str] | None) -> list[str]:
    found = [
        (look.text(label(purpose.id, labels)), purpose.answers, purpose.change)
        for purpose in report.period.purposes
        if purpose.answers
    ]
    if not found:
        return []
    first = max(len(name) for name, *_ in found)
    bars = max(0, min(look.width, WIDEST) - first - 37)
    lines = [look.styled(_say("purposes"), "strong")]
    for name, rate, moved in found:
        bar = look.styled(look.bar(rate.share, bars), "bar")
        lines.append(f"  {name.ljust(first)}  {_rate(rate, look)}  {_moved(moved, look)}  {bar}")
    return lines


def _table(table: Table, report: Report, look: TerminalStyle) -> list[str]:
    rows = table.rows[:ROWS]
    widest = table.columns[0]
    names = [_value(row.value) for row in rows]
    first = max(len(name) for name in names)
    second = max(len(f"{row.counts[widest]:,}") for row in rows)
    bars = max(0, min(look.width, WIDEST) - first - second - 22)
    lines = [look.styled(_say("t.by", name=_say(f"t.{table.name}").lower()), "strong")]
    if table.covered and table.covered != report.period.covered:
        lines[0] += look.styled(look.text(f" · {_days(table.covered)}"), "faint")
    for name, row in zip(names, rows, strict=True):
        rate = row.answers or row.visits
        text = _rate(rate, look) if rate else " " * 13
        bar = look.styled(look.bar(rate.share if rate else 0, bars), "bar")
        lines.append(f"  {look.text(name).ljust(first)}  {row.counts[widest]:>{second},}  {text}  {bar}")
    if len(table.rows) > ROWS:
        lines.append(look.styled(f"  and {len(table.rows) - ROWS} more: --csv {table.name}", "faint"))
    return lines


def _value(value: str) -> str:
    return {OTHER: "all others", UNKNOWN: "not known", "gpc": "sent", "none": "not sent"}.get(value, value)


def _rate(rate: Rate, look: TerminalStyle) -> str:
    low, high = f"{100 * rate.low:.0f}", f"{100 * rate.high:.0f}"
    shown = percent(ENGLISH, rate) if rate.share > 0.005 else f"{rate.share:.0%}"
    shown = shown if len(shown) <= 4 else ">99%"
    return f"{shown:>4} " + look.styled(look.text(f"{low:>3}–{high}%".ljust(8)), "faint")


def _moved(change: RateChange | None, look: TerminalStyle) -> str:
    if change is None:
        return " " * 12
    if not change.certain:
        return look.styled(("=" if look.ascii else "≈").ljust(12), "faint")
    arrow = ("+" if look.ascii else "▲") if change.points > 0 else ("-" if look.ascii else "▼")
    return look.styled(
        f"{arrow} {plain(points(ENGLISH, change.points))}".ljust(12), "good" if change.points > 0 else "bad"
    )


def _footnote(report: Report, look: TerminalStyle) -> Iterator[str]:
    text = "Rates are of answers, with their 95% confidence interval"
    if any(purpose.change for purpose in report.period.purposes):
        text += "; changes are against the period before"
    yield from _wrapped(
        look.text(f"{text}. What fewer than {K} did is part of a longer run or of all others."), look.width
    )


def _say(key: str, **values: str) -> str:
    """Return a text of the page, with ordinary spaces."""
    return plain(ENGLISH.say(key, **values))


def _day(day: int, beside: int) -> str:
    return plain(date_of(ENGLISH, day, beside))
