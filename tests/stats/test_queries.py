"""What a report says is what adding up by hand says."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core import counts as c
from consent_mw.core.counts import Figures
from consent_mw.stats import Rate
from consent_mw.stats import Report
from consent_mw.stats import first_needed
from consent_mw.stats import publish_due
from consent_mw.stats import report
from tests.stats.adversary import WAYS
from tests.stats.histories import BEGIN
from tests.stats.histories import Site
from tests.stats.histories import counted
from tests.stats.memory import MemoryCounters
from tests.stats.test_claim import SITES

WHOLE = {"accept": 50, "partial": 20, "reject": 30, "unanswered": 100}


def answers(first: int, last: int | None = None, **cells: int) -> Figures:
    """Return a run of answers; with cells, of those alone."""
    return Figures("answers", first, first if last is None else last, {("", n): m for n, m in (cells or WHOLE).items()})


def figures(site: Site, seed: int) -> list[Figures]:
    """Return what is published of a site that was counted without a hitch."""
    store = MemoryCounters()
    store.add_counts(counted(site.history(random.Random(seed))))
    publish_due(store, today=BEGIN + site.days + 40)
    return store.figures(0, 10**6)


def by_hand(runs: list[Figures], value: str, column: str) -> tuple[int, int] | None:
    """Return a sum over the runs that tell a column, and their days, found without any of the code under test."""
    total = days = 0
    told = False
    for run in runs:
        inside = {
            name: n for (row, name), n in run.cells.items() if row == value and set(WAYS[name]) <= set(WAYS[column])
        }
        # Told by any row of the run, as its rows have the same columns.
        names = {name for _, name in run.cells if set(WAYS[name]) <= set(WAYS[column])}
        if set("".join(WAYS[name] for name in names)) == set(WAYS[column]):
            told = True
            total += sum(inside.values())
            days += run.last - run.first + 1
    return (total, days) if told else None


def parts(rate: Rate | None) -> tuple[int, int] | None:
    """Return what a rate was made of."""
    return (rate.count, rate.of) if rate else None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=SITES, seed=st.integers(0, 2**32), first=st.integers(-10, 80), length=st.integers(1, 90))
def test_totals_and_rows_are_sums_of_runs(site: Site, seed: int, first: int, length: int) -> None:
    """Each total and each cell of a table is the sum over the runs that end in the period and tell it."""
    everything = figures(site, seed)
    begin, end = BEGIN + first, BEGIN + first + length - 1
    told = report(everything, first=begin, last=end)
    within = [run for run in everything if begin <= run.last <= end]
    for column in WAYS:
        found = told.period.totals.get(column)
        expected = by_hand([run for run in within if run.table == "answers"], "", column)
        assert expected == ((found.count, found.days) if found else None)
    for table in told.tables:
        own = [run for run in within if run.table == table.name]
        assert {row.value for row in table.rows} == {value for run in own for value, _ in run.cells}
        for row in table.rows:
            for column in table.columns:
                assert (by_hand(own, row.value, column) or (None,))[0] == row.counts[column]
        for column in table.columns:
            assert table.totals[column] == sum(row.counts[column] for row in table.rows)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=SITES, seed=st.integers(0, 2**32))
def test_the_rates_of_purposes_are_those_of_the_runs(site: Site, seed: int) -> None:
    """Of each purpose those who granted it are a part of those who answered, run by run."""
    everything = figures(site, seed)
    told = report(everything, first=BEGIN, last=BEGIN + 200)
    for purpose in told.period.purposes:
        granted = sure = whole = 0
        for run in everything:
            cells = {column: number for (name, column), number in run.cells.items() if name == purpose.id}
            if run.table != "purpose" or not cells:
                continue
            some = sum(n for name, n in cells.items() if name == "accept" or name + "_without" in cells)
            granted += some
            if not {"asked", "ungranted"} & cells.keys():
                sure, whole = sure + some, whole + sum(cells.values())
        assert parts(purpose.answers) == ((sure, whole) if whole else None)
        assert sum(point.totals["granted"] for point in purpose.line) == granted
        assert purpose.visits is None or purpose.visits.count == granted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=SITES, seed=st.integers(0, 2**32), cut=st.integers(1, 100))
def test_periods_side_by_side_share_out_the_runs(site: Site, seed: int, cut: int) -> None:
    """No visit is in two periods that follow each other, and none is in neither."""
    everything = figures(site, seed)
    middle, end = BEGIN + cut, BEGIN + 200
    whole, one, two = (
        report(everything, first=first, last=last).period.totals.get("asked")
        for first, last in ((BEGIN, end), (BEGIN, middle), (middle + 1, end))
    )
    assert (whole.count if whole else 0) == sum(each.count for each in (one, two) if each)


def told(*runs: Figures, first: int = 100, last: int = 127) -> Report:
    """Return the report of four weeks."""
    return report(runs, first=first, last=last)


def test_nothing_published_is_an_empty_report() -> None:
    """A period without figures has no rates, no rows and nothing to compare."""
    empty = told()
    assert (empty.period.covered, empty.period.answers, empty.answers, empty.line) == (None, None, None, ())
    assert [table.rows for table in empty.tables] == [()] * len(c.DIMENSIONS)


def test_one_day_is_a_report() -> None:
    """A single run gives rates with their denominators: of answers, and of visits that were asked."""
    found = told(answers(110)).period
    assert (parts(found.answers), parts(found.accepted)) == ((70, 100), (50, 100))
    assert (parts(found.visits), parts(found.reached)) == ((70, 200), (100, 200))


def test_a_run_that_begins_before_the_period_says_so() -> None:
    """A run belongs to the period of its last day, and the report tells which days it covers."""
    covered = told(answers(90, 105)).period.covered
    assert covered is not None
    assert (covered.first, covered.last, covered.days) == (90, 105, 16)


def test_gaps_are_left_out_of_the_days_covered() -> None:
    """Days on which nobody came are not among the days that figures cover."""
    covered = told(answers(100), answers(110)).period.covered
    assert covered is not None and covered.days == 2


def test_columns_that_were_merged_are_sums_over_fewer_days() -> None:
    """Where a run tells less, what it does not tell is summed over the others, and the days say so."""
    totals = told(answers(100), answers(101, 110, granted=20, ungranted=30)).period.totals
    assert (totals["accept"].count, totals["accept"].days) == (50, 1)
    assert (totals["granted"].count, totals["granted"].days) == (90, 11)


def test_the_period_before_has_the_same_length() -> None:
    """A change is against as many days before, and its sign is after less before."""
    better = WHOLE | {"accept": 500}
    found = told(answers(99), answers(72), answers(71), answers(100, **better))
    assert found.before.first == first_needed(100, 127) == 72
    assert found.before.totals["asked"].count == 400
    assert found.answers is not None and found.answers.points > 0


@pytest.mark.parametrize(("days", "width"), [(1, 1), (120, 1), (121, 7), (364, 7), (1096, 14), (3660, 56)])
def test_a_time_line_has_few_points(days: int, width: int) -> None:
    """Whatever the period, a chart has at most about 120 points, each of whole runs."""
    found = report([answers(day) for day in range(1000, 1000 + days)], first=1000, last=999 + days)
    assert found.width == width
    assert len(found.line) <= 122
    assert sum(point.totals["asked"] for point in found.line) == 200 * days


def test_a_change_of_the_notice_is_compared_with_the_days_before_it() -> None:
    """What is said since a change is against as many days right before it, not against the period before."""
    less = WHOLE | {"accept": 10}
    mark = Figures("revision", 120, 120, {("r2", "since"): 10})
    start = Figures("revision", 100, 100, {("r1", "start"): 10})
    days = [answers(day, **(less if day >= 120 else WHOLE)) for day in range(72, 128)]
    found = told(*days, mark, start)
    assert [(each.first, each.revision) for each in found.marks] == [(120, "r2")]
    since = found.since[""]
    assert (parts(since.after), parts(since.before)) == ((8 * 30, 8 * 60), (8 * 70, 8 * 100))


def test_numbers_beside_the_answers_say_how_many_days_they_are_about() -> None:
    """A number that begins before its run is about more days than the run."""
    beside = Figures("beside", 110, 110, {("", "shown"): 300, ("105", "withdraw"): 12})
    totals = told(answers(110), beside).period.totals
    assert (totals["shown"].days, totals["withdraw"].count, totals["withdraw"].days) == (1, 12, 6)


def test_the_share_that_opened_the_choices_is_of_visits_on_the_same_days() -> None:
    """Visits of days before the number began, or of runs without it, are not in its denominator."""
    beside = Figures("beside", 112, 112, {("111", "opened"): 30, ("", "shown"): 300})
    opened = told(answers(110), answers(111), answers(112), beside, answers(113)).period.opened
    asked = sum(WHOLE.values())
    assert opened and (opened.count, opened.of) == (30, 2 * asked)
    assert told(answers(110)).period.opened is None


def test_rows_come_by_size_and_the_rest_at_the_end() -> None:
    """What has no name stands last, whatever its size, and what nobody knows right before it."""
    cells = {"unknown": 50, "other": 400, "small.example": 20, "large.example": 90}
    isp = Figures("isp", 100, 106, {(value, "granted"): number for value, number in cells.items()})
    (table,) = [table for table in told(isp).tables if table.name == "isp"]
    assert [row.value for row in table.rows] == ["large.example", "small.example", "unknown", "other"]


def test_a_table_whose_runs_differ_sums_each_column_over_those_that_tell_it() -> None:
    """One run with merged columns does not take the finer ones away from all others."""
    one = Figures("os", 100, 106, {("ios", "granted"): 20, ("ios", "reject"): 30, ("ios", "unanswered"): 40})
    two = Figures("os", 107, 113, {("ios", "granted"): 10, ("ios", "ungranted"): 90})
    (table,) = [table for table in told(one, two).tables if table.name == "os"]
    assert table.rows[0].counts["asked"] == 190
    assert table.rows[0].counts["answered"] == 50
    assert parts(table.rows[0].answers) == (20, 50)
    assert parts(table.rows[0].visits) == (30, 190)
