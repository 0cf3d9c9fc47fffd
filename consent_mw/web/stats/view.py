"""A report as the figures page shows it: texts and charts for the template. No figures are calculated here."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from markupsafe import Markup

from consent_mw.core.counts import K
from consent_mw.core.model import Purpose as SitePurpose
from consent_mw.core.model import Site
from consent_mw.notice.wording import purpose_label
from consent_mw.stats import Point
from consent_mw.stats import Rate
from consent_mw.stats import RateChange
from consent_mw.stats import Report
from consent_mw.stats import Table
from consent_mw.stats import wilson
from consent_mw.stats.sentence import digits
from consent_mw.stats.sentence import moved
from consent_mw.stats.sentence import percent
from consent_mw.stats.sentence import points
from consent_mw.stats.sentence import sentence
from consent_mw.web.stats.charts import Frame
from consent_mw.web.stats.charts import Interval
from consent_mw.web.stats.charts import Run
from consent_mw.web.stats.charts import bar
from consent_mw.web.stats.charts import count_scale
from consent_mw.web.stats.charts import rate_scale
from consent_mw.web.stats.charts import shares
from consent_mw.web.stats.charts import stacks
from consent_mw.web.stats.charts import time_line
from consent_mw.web.stats.events import events
from consent_mw.web.stats.funnel import funnel
from consent_mw.web.stats.parts import OPTIONAL
from consent_mw.web.stats.parts import SERIES
from consent_mw.web.stats.parts import TABLES
from consent_mw.web.stats.parts import Card
from consent_mw.web.stats.parts import CardRow
from consent_mw.web.stats.parts import Chart
from consent_mw.web.stats.parts import Data
from consent_mw.web.stats.parts import Key
from consent_mw.web.stats.parts import LegendEntry
from consent_mw.web.stats.parts import finest
from consent_mw.web.stats.parts import first_rows
from consent_mw.web.stats.parts import is_rest
from consent_mw.web.stats.parts import told_columns
from consent_mw.web.stats.parts import value_name
from consent_mw.web.stats.words import PageWords

#: A chart includes the days before the first figures if they are at most this share of its period.
_LEADING_GAP = 0.25


class ReportView:
    """
    The content of the page.

    Args:
        line: The purpose whose rate the time line shows; empty for any grant.
        focus: The table that is shown with all rows, or empty.
    """

    def __init__(self, site: Site, report: Report, words: PageWords, *, line: str = "", focus: str = "") -> None:
        self._site = site
        self._report = report
        self._words = words
        self._line = line
        self._focus = focus
        self._known = {purpose.id: purpose for purpose in site.purposes}

    # -- words

    def purpose(self, id: str, *, inside: bool = False) -> str:
        """Return the name of a purpose, as a label or ``inside`` a sentence."""
        known = self._known.get(id, SitePurpose(id))
        if inside and not known.label and self._words.has(f"in.{id}"):
            return self._words.say(f"in.{id}")
        return purpose_label(known, self._words.lang, self._site)

    @property
    def sentence(self) -> str:
        """The period, in one sentence."""
        labels = {found.id: self.purpose(found.id, inside=True) for found in self._report.period.purposes}
        return sentence(self._words, self._report, labels)

    @property
    def context(self) -> str:
        """The requested days, and the days with published figures."""
        period, words = self._report.period, self._words
        days = words.days(period.first, period.last)
        if period.covered is None:
            return words.say("context.none", days=days)
        before = self._report.before
        text = words.say("context.none", days=days)
        if before.covered is not None:
            text = words.say("context", days=days, before=words.days(before.first, before.last))
        if (period.covered.first, period.covered.last) != (period.first, period.last):
            covered = words.days(period.covered.first, period.covered.last)
            text = f"{text} {words.say('context.covered', covered=covered)}"
        return text

    @property
    def empty(self) -> bool:
        """Whether nothing was published for these days."""
        return self._report.period.covered is None and not self._report.period.totals

    @property
    def withheld(self) -> tuple[str, ...]:
        """What is missing, and why."""
        period, words = self._report.period, self._words
        found = [words.say("kept.why", k=K, other=words.say("v.other"))]
        days = period.last - period.first + 1
        if period.covered and period.covered.days < days:
            found.append(words.say("kept.gap", covered=words.number(period.covered.days), days=words.number(days)))
        if period.covered and period.covered.last < period.last:
            found.append(words.say("kept.waiting", days=words.days(period.covered.last + 1, period.last)))
        if self._site.counters == "off":
            found.append(words.say("kept.off"))
        if self._site.counters == "granted":
            found.append(words.say("kept.granted"))
        return (*found, words.say("kept.how"))

    # -- key figures

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The key figures, with their denominators."""
        report, words, period = self._report, self._words, self._report.period
        turned = period.reached and Rate(
            period.reached.of - period.reached.count,
            period.reached.of,
            1 - period.reached.share,
            1 - period.reached.high,
            1 - period.reached.low,
        )
        unreached = report.reached and RateChange(-report.reached.points, -report.reached.high, -report.reached.low)
        withdrawn, granted = period.totals.get("withdraw"), period.totals.get("granted")
        notes = (words.say("key.withdraw.plain"),)
        if withdrawn and granted and granted.count and withdrawn.days and granted.days:
            # The two periods may differ in length, so the counts per day are compared.
            rate = 100 * (withdrawn.count / withdrawn.days) / (granted.count / granted.days)
            notes = (words.say("key.withdraw.text", rate=words.number(rate, 0 if rate >= 10 else 1)),)
        return (
            self._rate_key("answers", period.answers, report.answers),
            self._rate_key("visits", period.visits, report.visits),
            self._rate_key("open", turned, unreached),
            self._count_key("gpc", (words.say("key.gpc.text"),)),
            self._count_key("withdraw", notes),
        )

    def _rate_key(self, name: str, rate: Rate | None, change: RateChange | None) -> Key:
        words = self._words
        title = words.say(f"key.{name}")
        if rate is None:
            return Key(title, "", notes=(words.say("key.few", k=K),))
        decimals = digits(rate)
        figure = percent(words, rate, decimals)
        between = words.between(rate.low, rate.high, decimals)
        days = self._report.period.last - self._report.period.first + 1
        return Key(
            title,
            figure,
            self._bar(f"key-{name}", f"{title}: {figure}, {between}", rate),
            (
                words.say("key.between", range=between),
                words.say(f"key.of.{name}", a=words.number(rate.count), b=words.number(rate.of)),
            ),
            moved(words, change, days),
        )

    def _count_key(self, name: str, notes: tuple[str, ...]) -> Key:
        words = self._words
        total = self._report.period.totals.get(name)
        title = words.say(f"key.{name}")
        if total is None:
            return Key(title, "", notes=(words.say("key.few", k=K),))
        return Key(title, words.number(total.count), notes=notes)

    @property
    def shown(self) -> str:
        """How often the notice was shown, or an empty string."""
        totals, words = self._report.period.totals, self._words
        shown, asked = totals.get("shown"), totals.get("asked")
        if shown is None:
            return ""
        if asked is None or asked.days != shown.days:
            return words.say("key.shown", shown=words.number(shown.count))
        return words.say("key.shown.asked", shown=words.number(shown.count), asked=words.number(asked.count))

    # -- charts over time

    @cached_property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The choices for the time line: purpose ids with their names; the empty id stands for any grant."""
        purposes = [(found.id, self.purpose(found.id)) for found in self._report.period.purposes if found.answers]
        return (("", self._words.say("line.any")), *purposes) if purposes else ()

    @property
    def line(self) -> str:
        """The one of :attr:`lines` that is shown."""
        return self._line if self._line in dict(self.lines) else ""

    @cached_property
    def time_line(self) -> Chart:
        """The rate over time, with a flag for each change of the notice."""
        words, report = self._words, self._report
        found = next((purpose.line for purpose in report.period.purposes if purpose.id == self.line), report.line)
        shown = [(point, point.answers) for point in found if point.answers is not None]
        told = events(self._site, report, words)
        before = self._line_before()
        data = Data(
            words.say("line"),
            tuple(words.say(key) for key in ("h.days", "h.rate", "h.range", "h.answers", "h.visits", "h.before")),
            tuple(
                (
                    words.days(point.first, point.last),
                    *self._cells(point.answers),
                    words.number(point.answers.of) if point.answers else "",
                    percent(words, point.visits, 1) if point.visits else "",
                    self._rate_at(before, (point.first + point.last) / 2),
                )
                for point in found
            ),
        )
        if not shown:
            return Chart(words.say("line"), Markup(""), (), data, told)
        beside = [point.visits for point in found if point.visits is not None]
        earlier = [point.answers for point in before if point.answers is not None]
        scale = rate_scale(
            [end for _, rate in shown for end in (rate.low, rate.high)] + [rate.share for rate in (*beside, *earlier)]
        )
        frame = self._frame("line", found, self._line_title, self._line_description(shown))
        picture = time_line(
            frame,
            [self._run(point, point.answers) for point in found],
            [event.flag for event in told],
            scale,
            [words.percent(tick) for tick in scale.ticks],
            [self._run(point, point.visits) for point in found],
            [self._run(point, point.answers) for point in before],
        )
        legend = [LegendEntry("rate", words.say("line.key")), LegendEntry("band", words.say("line.key.band"))]
        legend += [LegendEntry("beside", words.say("line.key.visits"))] if beside else []
        legend += [LegendEntry("before", words.say("line.key.before"))] if earlier else []
        legend += [LegendEntry("flag", words.say("line.key.flag"))] if report.marks else []
        return Chart(words.say("line"), Markup(picture), tuple(legend), data, told)  # noqa: S704 (charts.py escapes)

    def _line_before(self) -> list[Point]:
        """Return the line of the previous period, moved to the days of this one."""
        report = self._report
        first, later = report.period.first, report.period.first - report.before.first
        own = (purpose.line for purpose in report.before.purposes if purpose.id == self.line)
        line = next(own, ()) if self.line else report.line_before
        # A run that starts before its period is shown from the period's first day.
        return [replace(point, first=max(point.first + later, first), last=point.last + later) for point in line]

    def _rate_at(self, line: Sequence[Point], day: float) -> str:
        found = next((point.answers for point in line if point.first <= day <= point.last), None)
        return percent(self._words, found, 1) if found else ""

    @property
    def _line_title(self) -> str:
        days = self._words.days(self._report.period.first, self._report.period.last)
        if not self.line:
            return self._words.say("line.title", days=days)
        return self._words.say("line.title.of", purpose=self.purpose(self.line, inside=True), days=days)

    def _line_description(self, shown: Sequence[tuple[Point, Rate]]) -> str:
        low, high = (pick(shown, key=lambda each: each[1].share) for pick in (min, max))
        values: dict[str, str] = {}
        for name, (point, rate) in (("low", low), ("high", high), ("last", shown[-1])):
            values[name] = percent(self._words, rate, digits(rate))
            values[f"{name}day"] = self._words.days(point.first, point.last)
        return self._words.say("line.desc", **values)

    def _run(self, point: Point, rate: Rate | None) -> Run:
        if rate is None:
            return Run(point.first, point.last)
        words = self._words
        note = words.say(
            "line.note",
            days=words.days(point.first, point.last, year=False),
            rate=percent(words, rate, 1),
            range=words.between(rate.low, rate.high, 1),
            of=words.number(rate.of),
        )
        return Run(point.first, point.last, note, Interval(rate.share, rate.low, rate.high))

    def _frame(self, id: str, shown: Sequence[Point], title: str, description: str) -> Frame:
        period = self._report.period
        # A run belongs to the period in which it ends, so the first one may start earlier. If the figures start late in
        # a long period, the chart starts there too: otherwise they would be squeezed into its end.
        first = min((point.first for point in shown), default=period.first)
        if period.first < first <= period.first + (period.last + 1 - period.first) * _LEADING_GAP:
            first = period.first
        last = max([point.last for point in shown], default=period.last)
        waiting = last + 1 if shown and last < period.last else None
        ticks = self._words.ticks(first, period.last)
        return Frame(id, title, description, first, period.last, ticks, self._words.rtl, waiting)

    @cached_property
    def bars(self) -> Chart:
        """The outcomes of visits, over time and in total."""
        words, line = self._words, self._report.line
        split = [(point, finest(point.totals)) for point in line]
        used = [name for name in SERIES if any(name in columns for _, columns in split)]
        whole = self._whole()
        told = ", ".join(f"{words.say(f'c.{name}')} {value}" for name, value, _ in whole)
        days = sum(point.last - point.first + 1 for point in line)
        asked = sum(count for point, columns in split for count in (point.totals[name] for name in columns))
        title = words.say("bars.title", days=words.days(self._report.period.first, self._report.period.last))
        known = {name for point in line for name in point.totals}
        columns = told_columns((name for _, each in split for name in each), known)
        data = Data(
            words.say("bars"),
            (words.say("h.days"), *(words.say(f"c.{name}") for name in columns)),
            tuple(
                (
                    words.days(point.first, point.last),
                    *(words.number(point.totals[name]) if name in point.totals else "" for name in columns),
                )
                for point in line
            ),
        )
        if not used:
            return Chart(words.say("bars"), Markup(""), (), data)
        runs = [self._stack(point, columns, used) for point, columns in split]
        scale = count_scale([sum(run.parts) / (run.last + 1 - run.first) for run in runs])
        frame = self._frame("bars", line, title, words.say("bars.desc", parts=told, n=words.number(asked / days)))
        picture = stacks(frame, runs, used, [words.number(tick) for tick in scale.ticks], scale)
        shared = shares(
            "whole",
            words.say("bars.whole", parts=told),
            [(name, count) for name, _, count in whole],
            rtl=words.rtl,
        )
        values = {name: value for name, value, _ in whole}
        return Chart(
            words.say("bars"),
            Markup(picture),  # noqa: S704 (charts.py escapes)
            tuple(LegendEntry(name, words.say(f"c.{name}"), values.get(name, "")) for name in used),
            data,
            whole=Markup(shared),  # noqa: S704
        )

    def _whole(self) -> list[tuple[str, str, int]]:
        """Return the outcomes of all visits of the period: column, share in words, count."""
        period = self._report.period
        days = period.covered.days if period.covered else 0
        complete = {name: total.count for name, total in period.totals.items() if total.days == days}
        columns = finest(complete)
        total = sum(complete[name] for name in columns)
        return [(name, self._words.percent(complete[name] / total), complete[name]) for name in columns if total]

    def _stack(self, point: Point, columns: Iterable[str], used: Sequence[str]) -> Run:
        words = self._words
        parts = {name: point.totals[name] for name in columns}
        told = " · ".join(f"{words.say(f'c.{name}')} {words.number(count)}" for name, count in parts.items())
        note = f"{words.days(point.first, point.last, year=False)}: {told}"
        return Run(point.first, point.last, note, None, tuple(parts.get(name, 0) for name in used))

    # -- rates next to each other

    @cached_property
    def funnel(self) -> Card:
        """How far visits came, from the notice to a grant."""
        return funnel(self._report, self._words, self.shown)

    @cached_property
    def purposes(self) -> Card:
        """The rate for each purpose."""
        words = self._words
        found = self._report.period.purposes
        entries = self._entries(
            "purpose", [(self.purpose(each.id), each.answers, False) for each in found], overall=None
        )
        heads = ("purposes.name", "h.rate", "h.range", "h.answers", "h.visits", "h.change")
        rows = tuple(
            (
                self.purpose(each.id),
                *self._cells(each.answers),
                words.number(each.answers.of) if each.answers else "",
                percent(words, each.visits, 1) if each.visits else "",
                self._signed(each.change),
            )
            for each in found
        )
        title = words.say("purposes")
        data = Data(title, tuple(words.say(head) for head in heads), rows)
        return Card(
            "purposes",
            title,
            words.say("get.purposes"),
            entries,
            data,
            words.say("purposes.lead" if found else "purposes.none"),
        )

    @cached_property
    def tables(self) -> tuple[Card, ...]:
        """The rates by dimension."""
        by_name = {table.name: table for table in self._report.tables}
        found = [by_name[name] for name in TABLES if name in by_name]
        # Unnamed rows say nothing, and neither does a single row of an optional dimension.
        return tuple(
            self._card(table)
            for table in found
            if not all(map(is_rest, table.rows)) and (table.name not in OPTIONAL or len(table.rows) > 1)
        )

    @property
    def tables_missing(self) -> str:
        """The dimensions that have nothing to show yet, in one sentence, or an empty string."""
        shown = {card.id for card in self.tables} | OPTIONAL
        names = [self._words.say(f"t.{name}") for name in TABLES if name not in shown]
        return self._words.say("t.none", list=", ".join(names)) if names else ""

    def _card(self, table: Table) -> Card:
        words = self._words
        name = words.say(f"t.{table.name}")
        inside = name if words.lang == "de" else name.lower()
        title = words.say("t.by", name=inside)
        focused = table.name == self._focus
        shown = table.rows if focused else first_rows(table.rows)
        rates, overall, note = self._rates(table)
        names = [value_name(words, table.name, row.value) for row in table.rows]
        found = {
            row.value: (name, rate, is_rest(row)) for row, name, rate in zip(table.rows, names, rates, strict=True)
        }
        entries = self._entries(table.name, [found[row.value] for row in shown], overall=overall)
        columns = told_columns(finest(table.columns) or table.columns, table.columns)
        data = Data(
            words.say("t.title", name=inside),
            (
                words.say(f"t.{table.name}"),
                *(words.say(f"c.{column}") for column in columns),
                *(words.say(head) for head in ("h.share", "h.rate", "h.range", "h.visits", "h.days")),
            ),
            tuple(
                (
                    name,
                    *(words.number(row.counts[column]) for column in columns),
                    words.percent(row.share, 1),
                    *self._cells(row.answers),
                    percent(words, row.visits, 1) if row.visits else "",
                    words.number(row.days),
                )
                for row, name in zip(table.rows, names, strict=True)
            ),
        )
        total = len(table.rows) if len(table.rows) > len(shown) or focused else 0
        return Card(table.name, title, name, entries, data, note, total, focused)

    def _rates(self, table: Table) -> tuple[list[Rate | None], float | None, str]:
        """Return each row's rate, the rate of all visitors, and a note if it is not the rate of answers."""
        words, period = self._words, self._report.period
        if any(row.answers for row in table.rows):
            return [row.answers for row in table.rows], period.answers.share if period.answers else None, ""
        if any(row.visits for row in table.rows):
            note = words.say("t.note.visits")
            return [row.visits for row in table.rows], period.visits.share if period.visits else None, note
        whole = table.columns[0]
        note = words.say("t.note.granted" if whole == "granted" else "t.note.share")
        return [wilson(row.counts[whole], table.totals[whole]) for row in table.rows], None, note

    def _entries(
        self, id: str, found: Sequence[tuple[str, Rate | None, bool]], overall: float | None
    ) -> tuple[CardRow, ...]:
        words = self._words
        # Use the same number of decimals for all, so that they align as a column.
        decimals = min((digits(rate) for _, rate, _ in found if rate), default=0)
        entries = []
        for number, (name, rate, rest) in enumerate(found):
            if rate is None:
                entries.append(CardRow(name, rest, Markup(""), words.say("t.no.rate")))
                continue
            value = percent(words, rate, decimals)
            title = words.say("t.row", name=name, rate=value, range=words.between(rate.low, rate.high, decimals))
            entries.append(CardRow(name, rest, self._bar(f"{id}-{number}", title, rate, overall), value))
        return tuple(entries)

    def _bar(self, id: str, title: str, rate: Rate, overall: float | None = None) -> Markup:
        drawn = bar(id, title, Interval(rate.share, rate.low, rate.high), overall=overall, rtl=self._words.rtl)
        return Markup(drawn)  # noqa: S704 (charts.py escapes)

    def _cells(self, rate: Rate | None) -> tuple[str, str]:
        if rate is None:
            return "", ""
        return percent(self._words, rate, 1), self._words.between(rate.low, rate.high, 1)

    def _signed(self, change: RateChange | None) -> str:
        if change is None:
            return ""
        sign = "+" if change.points > 0 else "\N{MINUS SIGN}"
        return f"{sign}{points(self._words, change.points)}"
