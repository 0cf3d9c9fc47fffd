"""The rules of publication, one by one, on stores that are small enough to be read."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from consent_mw.core import counts as c
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.records import open_records
from consent_mw.stats import publish_due
from consent_mw.stats.publication import CLOSES
from tests.stats.memory import MemoryCounters

#: A Monday, and days after it.
MONDAY = 20_500 - (20_500 + 3) % 7
SUNDAY = MONDAY + 6

FULL = {"accept": 40, "partial": 20, "reject": 30, "asked": 150}


def day(number: int, answers: Mapping[str, int] = FULL, **tables: Mapping[str, Mapping[str, int]]) -> dict[Count, int]:
    """Return raw counts of one day, from MONDAY on: those of the total, and of tables by row."""
    found = {Count(MONDAY + number, c.TOTAL, "", outcome): many for outcome, many in answers.items()}
    for table, rows in tables.items():
        on = MONDAY + number - number % 7 if table == c.ISP else MONDAY + number
        for value, row in rows.items():
            found |= {Count(on, table, value, outcome): many for outcome, many in row.items()}
    return found


def published(*days: Mapping[Count, int], today: int, table: str = "answers") -> list[tuple[int, int, dict[str, int]]]:
    """Publish days at once, and return the runs of a table with its cells, days counted from MONDAY."""
    store = MemoryCounters()
    for each in days:
        store.add_counts(each)
    publish_due(store, today=MONDAY + today)
    return runs(store, table)


def runs(store: MemoryCounters, table: str) -> list[tuple[int, int, dict[str, int]]]:
    """Return the runs of a table, days counted from MONDAY."""
    return [
        (run.first - MONDAY, run.last - MONDAY, {"/".join(filter(None, key)): n for key, n in run.cells.items()})
        for run in store.figures(0, 10**6)
        if run.table == table
    ]


# -- atoms


def test_a_day_with_enough_of_all_is_a_run() -> None:
    """A day on which each way out was taken by ten is published on its own."""
    assert published(day(0), today=1) == [(0, 0, {"accept": 40, "partial": 20, "reject": 30, "unanswered": 60})]


def test_today_is_not_published() -> None:
    """The day that goes on is left alone."""
    assert published(day(1), today=1) == []


def test_yesterday_waits_until_it_is_closed() -> None:
    """Counts of a day may arrive for half an hour after midnight: before that the day is not published."""
    store = MemoryCounters()
    store.add_counts(day(0))
    assert publish_due(store, today=MONDAY + 1, seconds_into_day=CLOSES - 1) == 0
    assert publish_due(store, today=MONDAY + 1, seconds_into_day=CLOSES) == 1


@pytest.mark.parametrize("outcome", ["accept", "partial", "reject", "asked"])
@pytest.mark.parametrize("few", [0, 9])
def test_a_day_with_a_small_cell_joins_the_next(outcome: str, few: int) -> None:
    """Nine of a kind are not shown, and neither is nobody: the run goes on until each cell is ten."""
    less = FULL | {outcome: few if outcome != "asked" else 90 + few}
    found = published(day(0, less), day(1), today=2)
    assert [(first, last) for first, last, _ in found] == [(0, 1)]
    assert min(min(cells.values()) for *_, cells in found) >= 10


def test_a_run_that_leaves_its_week_ends_on_a_sunday() -> None:
    """Weekly tables find an end to share every week that has figures."""
    few = {"accept": 5, "partial": 5, "reject": 5, "asked": 50}
    found = published(*(day(number, few) for number in range(5, 30)), today=30)
    assert [(first, last) for first, last, _ in found if first > 10] == [
        (11, 12),
        (13, 20),
        (21, 22),
        (23, 24),
        (25, 26),
    ]


@pytest.mark.parametrize(
    ("answers", "cells"),
    [
        ({"accept": 2, "partial": 0, "reject": 2, "asked": 9}, {"granted": 56, "reject": 56, "unanswered": 140}),
        ({"accept": 2, "partial": 0, "reject": 0, "asked": 9}, {"granted": 56, "ungranted": 196}),
        ({"accept": 0, "partial": 0, "reject": 2, "asked": 9}, {"answered": 56, "unanswered": 196}),
        ({"accept": 0, "partial": 0, "reject": 0, "asked": 9}, {"asked": 252}),
    ],
)
def test_after_four_weeks_columns_are_merged(answers: dict[str, int], cells: dict[str, int]) -> None:
    """A site where one way out is hardly taken gets the finest columns that leave none small."""
    assert published(*(day(number, answers) for number in range(28)), today=28) == [(0, 27, cells)]
    assert published(*(day(number, answers) for number in range(27)), today=27) == []


def test_a_site_with_hardly_a_visit_waits_on() -> None:
    """Less than ten visits are not published, however long it takes."""
    assert published(day(0, {"asked": 9}), today=3000) == []


def test_an_outage_belongs_to_no_run_that_can_begin_after_it() -> None:
    """Days without a count before a run are left out of it."""
    assert [(first, last) for first, last, _ in published(day(0), day(20), today=21)] == [(0, 0), (20, 20)]


def test_years_that_were_missed_are_published_at_once() -> None:
    """A site that was down publishes every day that waits, in order and without an overlap."""
    found = published(*(day(number) for number in range(0, 1100, 2)), today=1200)
    assert [first for first, *_ in found] == list(range(0, 1100, 2))


# -- late counts, clocks, several processes


def test_late_counts_are_part_of_the_next_run() -> None:
    """What was published does not change; counts of its days that come later are published with later ones."""
    store = MemoryCounters()
    store.add_counts(day(0))
    publish_due(store, today=MONDAY + 1)
    before = store.figures(0, 10**6)
    store.add_counts(day(0, {"accept": 3}) | day(1))
    publish_due(store, today=MONDAY + 2)
    assert store.figures(0, MONDAY) == before
    assert runs(store, "answers")[1] == (1, 1, {"accept": 43, "partial": 20, "reject": 30, "unanswered": 57})
    assert store.raw == {}


def test_a_late_number_beside_the_answers_does_not_stop_publication() -> None:
    """Withdrawals that come late join the next run, though numbers of the same days were published already."""
    store = MemoryCounters()
    store.add_counts(day(0, FULL | {"shown": 400, "withdraw": 4}))
    publish_due(store, today=MONDAY + 1)
    store.add_counts(day(0, {"withdraw": 8}))
    assert publish_due(store, today=MONDAY + 1) == 0
    store.add_counts(day(1, FULL | {"shown": 400}))
    publish_due(store, today=MONDAY + 2)
    first = str(MONDAY)
    assert runs(store, "beside") == [(0, 0, {"shown": 400}), (1, 1, {f"{first}/withdraw": 12, "shown": 400})]


def test_a_clock_that_goes_back_publishes_nothing_twice() -> None:
    """With an earlier day than before there is nothing to publish, and nothing changes."""
    store = MemoryCounters()
    for number in range(5):
        store.add_counts(day(number))
    publish_due(store, today=MONDAY + 5)
    before = store.figures(0, 10**6)
    assert publish_due(store, today=MONDAY + 2) == 0
    assert publish_due(store, today=-5) == 0
    assert store.figures(0, 10**6) == before


def test_a_clock_that_was_ahead_holds_figures_back_and_loses_none() -> None:
    """After a run of days to come, what is counted waits until those days are past."""
    store = MemoryCounters()
    store.add_counts(day(10))
    publish_due(store, today=MONDAY + 11)
    store.add_counts(day(1))
    assert publish_due(store, today=MONDAY + 11) == 0
    store.add_counts(day(11))
    publish_due(store, today=MONDAY + 12)
    assert runs(store, "answers")[1][2]["accept"] == 80


def test_of_many_that_publish_at_once_each_run_is_taken_once(tmp_path: Path) -> None:
    """Several at the same time publish what one alone would, and count it once between them."""
    alone = MemoryCounters()
    url = f"sqlite:///{tmp_path}/consent.db"
    stores = [open_records(url) for _ in range(4)]
    for number in range(40):
        for store in (alone, stores[0]):
            store.add_counts(day(number, browser={"chrome": FULL}))
    with ThreadPoolExecutor(len(stores)) as pool:
        done = list(pool.map(lambda store: publish_due(store, today=MONDAY + 40), stores))
    assert sum(done) == publish_due(alone, today=MONDAY + 40)
    assert stores[0].figures(0, 10**6) == alone.figures(0, 10**6)
    for each in stores:
        each.close()


class _Hurried(MemoryCounters):
    """A store in which others add a late count whenever somebody wants to publish, for the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def counts(self, before: int) -> dict[Count, int]:
        found = super().counts(before)
        if self.times:
            self.times -= 1
            self.add_counts(day(0, {"accept": 1}))
        return found


def test_a_count_that_comes_between_is_not_lost() -> None:
    """A count that arrives after the counts were read is published with them the next time round."""
    store = _Hurried(2)
    store.add_counts(day(0))
    publish_due(store, today=MONDAY + 1)
    assert runs(store, "answers")[0][2]["accept"] == 42


# -- dimensions


def rows(**values: Mapping[str, int]) -> dict[str, Mapping[str, int]]:
    """Return the rows of a table."""
    return {value.replace("_", "-"): row for value, row in values.items()}


def test_small_rows_are_merged_and_the_next_one_with_them() -> None:
    """A row under ten has no name, and as the rest would be small too, the smallest row joins it."""
    each = {"accept": 15, "partial": 0, "reject": 12, "asked": 50}
    small = {"accept": 2, "partial": 0, "reject": 2, "asked": 8}
    whole = {"accept": 62, "partial": 10, "reject": 50, "asked": 258}
    large = {"accept": 30, "partial": 10, "reject": 24, "asked": 150}
    table = rows(l1=large, l2=each, l3=each, l4=small)
    found = published(day(6, whole, language=table), *(day(n) for n in range(7, 35)), today=35, table="language")
    assert all("l4" not in cell for *_, cells in found for cell in cells)
    assert all(number >= 10 for *_, cells in found for number in cells.values())


def test_rows_add_up_when_some_visits_have_no_row() -> None:
    """Visits that a table did not see are in its row for all others."""
    some = {"accept": 25, "partial": 5, "reject": 15, "asked": 75}
    days = [day(number, browser={"chrome": some}) for number in range(7)]
    (found,) = [
        run for run in published(*days, *(day(n) for n in range(7, 28)), today=28, table="browser") if run[0] == 0
    ]
    assert found[2]["chrome/granted"] == 7 * 30
    assert found[2]["chrome/granted"] + found[2]["other/granted"] == (found[1] + 1) * 60


def test_a_table_of_those_who_granted_shows_grants_alone() -> None:
    """Where only those who granted something are told apart, the table says nothing of the others."""
    grants = {"accept": 40, "partial": 20}
    (found,) = published(*(day(n, browser={"chrome": grants}) for n in range(7)), today=7, table="browser")
    assert found[2] == {"chrome/granted": 420}


def test_providers_are_published_when_their_week_is_over() -> None:
    """Counts by provider stand under a Monday, and are complete with the Sunday after it."""
    week = [day(number, isp={f"isp{number % 2}.example": FULL}) for number in range(7)]
    assert published(*week, today=6, table="isp") == []
    ((first, last, cells),) = published(*week, today=7, table="isp")
    assert (first, last, cells["isp0.example/granted"]) == (0, 6, 240)


def test_a_browser_does_not_tell_who_uses_its_system_without_it() -> None:
    """Safari is on Apple's systems only: where few use these without it, one of the rows has no name."""
    safari = {"accept": 40, "partial": 10, "reject": 25, "asked": 120}
    chrome = {"accept": 60, "partial": 30, "reject": 35, "asked": 180}
    ios = {"accept": 25, "partial": 6, "reject": 15, "asked": 70}
    macos = {"accept": 20, "partial": 4, "reject": 14, "asked": 60}
    windows = {"accept": 35, "partial": 20, "reject": 21, "asked": 100}
    linux = {"accept": 20, "partial": 10, "reject": 10, "asked": 70}
    whole = {name: safari[name] + chrome[name] for name in safari}
    one = day(
        6,
        whole,
        browser=rows(safari=safari, chrome=chrome),
        os=rows(ios=ios, macos=macos, windows=windows, linux=linux),
    )
    store = MemoryCounters()
    store.add_counts(one)
    for number in range(7, 35):
        store.add_counts(day(number))
    publish_due(store, today=MONDAY + 35)
    names = {
        key[0]
        for table in ("browser", "os")
        for run in store.figures(0, 10**6)
        if run.table == table
        for key in run.cells
    }
    assert not {"safari", "ios", "macos"} <= names


# -- purposes, and numbers that stand alone


def purposes(number: int, **partial: int) -> dict[Count, int]:
    """Return a full day on which everybody who accepts grants each purpose, and some of those who grant a part."""
    granted = {name: {"accept": 40, "partial": many} for name, many in partial.items()}
    return day(number, purpose=granted)


def test_a_purpose_is_published_with_those_who_lack_it() -> None:
    """Partial answers are split, and the other columns are those of the answers."""
    (found,) = published(purposes(0, analytics=10), today=1, table="purpose")
    cells = {"accept": 40, "partial": 10, "partial_without": 10, "reject": 30}
    assert found[2] == {f"analytics/{column}": number for column, number in cells.items()}


def test_a_purpose_that_few_grant_waits_and_is_left_out_in_the_end() -> None:
    """A purpose with a small cell holds the others up for four weeks, and then they go on without it."""
    days = [purposes(number, analytics=10, marketing=0) for number in range(28)]
    assert published(*days[:27], today=27, table="purpose") == []
    (found,) = published(*days, today=28, table="purpose")
    assert {key.partition("/")[0] for key in found[2]} == {"analytics"}


def test_all_purposes_together_do_not_tell_who_granted_two() -> None:
    """With three purposes their sum says how many granted two of them: that is ten at least, or one is left out."""
    days = [purposes(number, a=20, b=0, c=0) for number in range(2)]
    days += [purposes(2, a=0, b=12, c=12), purposes(3, a=0, b=12, c=12)]
    # In four days 80 partial answers: 88 grants, so 8 people granted two purposes.
    assert published(*days, today=4, table="purpose") == []


def test_a_purpose_that_is_new_is_left_out_of_the_run_in_which_it_came() -> None:
    """Who accepted before a purpose was there did not grant it, and is not counted as if."""
    few = FULL | {"partial": 5}
    old = {"accept": 40, "partial": 5}
    days = [day(0, few, purpose={"a": old}), day(1, FULL, purpose={"a": {"accept": 40, "partial": 5}, "b": FULL})]
    (found,) = published(*days, today=2, table="purpose")
    assert {key.partition("/")[0] for key in found[2]} == {"a"}


def test_page_views_are_published_where_they_are_many_more_than_visits() -> None:
    """The page views beside the first of each visit are ten at least."""
    assert published(day(0, FULL | {"shown": 159}), today=1, table="beside") == []
    assert published(day(0, FULL | {"shown": 160}), today=1, table="beside") == [(0, 0, {"shown": 160})]


@pytest.mark.parametrize(("opened", "told"), [(21, False), (22, True), (92, True), (93, False)])
def test_answers_with_the_choices_open_are_published_apart_from_partial_ones(opened: int, told: bool) -> None:
    """They exceed the partial answers by ten, and ten answers at least came with the choices closed."""
    answers = {"asked": 150, "accept": 50, "partial": 12, "reject": 40, "opened": opened}
    found = published(day(0, answers), today=1, table="beside")
    assert found == ([(0, 0, {"opened": opened})] if told else [])


# -- the notice


def test_a_change_of_the_notice_is_marked_once_ten_saw_it() -> None:
    """The first revision is no change; a later one is marked in the run in which ten were asked with it."""
    first, then = {"r1": {"asked": 150}}, {"r1": {"asked": 145}, "r2": {"asked": 5}}
    store = MemoryCounters()
    for each in (day(0, revision=first), day(1, revision=then), day(2, revision=then), day(3, revision=first)):
        store.add_counts(each)
    publish_due(store, today=MONDAY + 4)
    assert runs(store, "revision") == [(0, 0, {"r1/start": 10}), (2, 2, {"r2/since": 10})]
    assert store.raw == {}


def test_figures_of_before_are_figures() -> None:
    """Runs that were published one by one are those that are published at once."""
    at_once, daily = MemoryCounters(), MemoryCounters()
    for number in range(45):
        for store in (at_once, daily):
            store.add_counts(
                day(
                    number,
                    browser={"chrome": FULL},
                    isp={"a.example": FULL},
                    purpose={"a": {"accept": 40, "partial": 9}},
                )
            )
        publish_due(daily, today=MONDAY + number + 1)
    publish_due(at_once, today=MONDAY + 45)
    assert daily.kept == at_once.kept
    everything: list[Figures] = daily.figures(0, 10**6)
    for table in {run.table for run in everything}:
        own = [run for run in everything if run.table == table]
        assert all(one.last < other.first for one, other in pairwise(own))
