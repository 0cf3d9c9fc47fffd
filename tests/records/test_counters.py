"""What every store guarantees about its counters."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import REJECT
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.records.samples import DAY
from tests.records.samples import in_processes
from tests.records.samples import run_together

ALL = Count(DAY, TOTAL, "", ACCEPT)
NONE = Count(DAY, TOTAL, "", REJECT)
FIREFOX = Count(DAY, BROWSER, "firefox", ACCEPT)
LATER = Count(DAY + 1, TOTAL, "", ACCEPT)

_numbers = itertools.count()


def run(first: int, last: int, table: str = "answers") -> Figures:
    """Return the figures of a run of days."""
    return Figures(table, first, last, {("", ACCEPT): 12, ("", REJECT): 34})


# -- raw counters


def test_nothing_is_counted_at_first(store: Records) -> None:
    """An empty store has no counters and no figures."""
    assert (store.counts(DAY), store.figures(0, DAY)) == ({}, [])


def test_counts_add_up(store: Records) -> None:
    """Each flush adds to the existing counters."""
    store.add_counts({ALL: 3, FIREFOX: 2})
    store.add_counts({ALL: 4, NONE: 1})
    store.add_counts({})
    assert store.counts(DAY + 1) == {ALL: 7, FIREFOX: 2, NONE: 1}


def test_counts_of_a_day_that_goes_on_are_left_out(store: Records) -> None:
    """Only days before the given one are returned."""
    store.add_counts({ALL: 3, LATER: 1})
    assert (store.counts(DAY), store.counts(DAY + 1), len(store.counts(DAY + 2))) == ({}, {ALL: 3}, 2)


def test_counts_can_be_forgotten_without_figures(store: Records) -> None:
    """Counters that stay too small for publication are deleted without figures."""
    store.add_counts({ALL: 3, NONE: 2})
    assert store.publish([], {NONE: 2})
    assert (store.counts(DAY + 1), store.figures(0, DAY)) == ({ALL: 3}, [])


def test_counts_stay(opened: Callable[..., Records]) -> None:
    """The counters are still there after a restart."""
    one = opened()
    one.add_counts({ALL: 3})
    one.close()
    assert opened().counts(DAY + 1) == {ALL: 3}


def test_a_flush_that_fails_adds_nothing(store: Records) -> None:
    """If one counter of a flush cannot be stored, none is, so the flush can be repeated."""
    store.add_counts({ALL: 1})
    with pytest.raises(RecordsError):
        store.add_counts({ALL: 1, FIREFOX: 2**80, NONE: 1})
    assert store.counts(DAY + 1) == {ALL: 1}


def test_large_counts_are_kept(store: Records) -> None:
    """Counts of ten million and more are exact."""
    store.add_counts({ALL: 2**40})
    store.add_counts({ALL: 2**40})
    assert store.counts(DAY + 1) == {ALL: 2**41}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=st.text(), table=st.text(), outcome=st.text())
def test_any_text_is_counted_or_refused(store: Records, value: str, table: str, outcome: str) -> None:
    """No name of a counter breaks the store or is confused with another."""
    day = next(_numbers)
    count = Count(day, table, value, outcome)
    try:
        store.add_counts({count: 2})
    except RecordsError:
        kept = {}
    else:
        kept = {count: 2}
    assert {found: number for found, number in store.counts(day + 1).items() if found.day == day} == kept


def _flush(number: int, url: str) -> None:
    store = open_records(url)
    for _ in range(30):
        names = [ALL, FIREFOX, NONE, LATER]
        store.add_counts(dict.fromkeys(names if number % 2 else reversed(names), 1))


def test_processes_count_together(url: str, store: Records) -> None:
    """Four processes flush the same counters at once, in different orders, and nothing is lost."""
    assert in_processes(4, _flush, url) == [0] * 4
    assert set(store.counts(DAY + 2).values()) == {120}


# -- publication


def test_publication_turns_counters_into_figures(store: Records) -> None:
    """The figures are stored unchanged, their raw counters are deleted, and the other counters stay."""
    store.add_counts({ALL: 12, NONE: 34, FIREFOX: 2})
    assert store.publish([run(DAY, DAY)], {ALL: 12, NONE: 34})
    assert (store.figures(DAY, DAY), store.counts(DAY + 1)) == ([run(DAY, DAY)], {FIREFOX: 2})


def test_figures_stay(opened: Callable[..., Records]) -> None:
    """The figures are still there after a restart."""
    one = opened()
    one.publish([run(DAY, DAY)], {})
    one.close()
    assert opened().figures(DAY, DAY) == [run(DAY, DAY)]


@pytest.mark.parametrize(("first", "last"), [(3, 7), (2, 3), (7, 9), (4, 5), (1, 9), (7, 7), (3, 3)])
def test_an_overlapping_run_is_refused(store: Records, first: int, last: int) -> None:
    """Two runs of a table with a common day could be subtracted: the second one is not stored."""
    store.publish([run(3, 7)], {})
    store.add_counts({ALL: 5})
    assert not store.publish([run(20, 21), run(first, last)], {ALL: 5})
    assert (store.figures(0, 99), store.counts(DAY + 1)) == ([run(3, 7)], {ALL: 5})


def test_runs_that_come_together_must_not_overlap_either(store: Records) -> None:
    """A publication that has the same day twice in a table is refused as a whole."""
    assert not store.publish([run(3, 7), run(7, 8)], {})
    assert store.figures(0, 99) == []


def test_runs_may_touch_and_tables_may_share_days(store: Records) -> None:
    """A run may start on the next day, and each table has its own runs."""
    assert store.publish([run(3, 7)], {})
    assert store.publish([run(8, 8), run(1, 2), run(3, 7, "browser")], {})
    assert store.figures(0, 99) == [run(1, 2), run(3, 7), run(8, 8), run(3, 7, "browser")]


@pytest.mark.parametrize("spent", [{ALL: 4}, {ALL: 6}, {ALL: 5, NONE: 1}, {ALL: 0}])
def test_counters_that_are_not_as_read_are_not_published(store: Records, spent: dict[Count, int]) -> None:
    """If the counters have changed or were published meanwhile, nothing changes."""
    store.add_counts({ALL: 5})
    assert not store.publish([run(DAY, DAY)], spent)
    assert (store.figures(0, DAY), store.counts(DAY + 1)) == ([], {ALL: 5})


def test_a_counter_that_never_counted_is_spent_as_nothing(store: Records) -> None:
    """A caller may pass a counter that does not exist, as 0."""
    store.add_counts({ALL: 5})
    assert store.publish([run(DAY, DAY)], {ALL: 5, NONE: 0})
    assert store.counts(DAY + 1) == {}


def test_a_counter_starts_again_after_its_publication(store: Records) -> None:
    """Later counts start from zero."""
    store.add_counts({ALL: 5})
    store.publish([run(DAY, DAY)], {ALL: 5})
    store.add_counts({ALL: 1})
    assert store.counts(DAY + 1) == {ALL: 1}


def test_figures_are_those_of_runs_with_a_day_in_the_range(store: Records) -> None:
    """Runs that begin before the range or end after it are included; they are sorted by table and first day."""
    runs = [run(1, 3), run(4, 4), run(5, 20)]
    store.publish(list(reversed(runs)), {})
    store.publish([run(2, 2, "Z"), run(2, 2, "")], {})
    assert store.figures(4, 4) == runs[1:2]
    assert store.figures(3, 5) == runs
    assert store.figures(6, 7) == runs[2:]
    assert store.figures(21, 99) == []
    assert store.figures(2, 2) == [run(2, 2, ""), run(2, 2, "Z"), run(1, 3)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.tuples(st.text(), st.text()), st.integers(0, 2**62), max_size=4), st.text())
def test_any_cells_are_kept_or_refused(store: Records, cells: dict[tuple[str, str], int], table: str) -> None:
    """Figures with any cell names come back unchanged."""
    day = next(_numbers)
    figures = Figures(table, day, day, cells)
    try:
        assert store.publish([figures], {})
    except RecordsError:
        assert store.figures(day, day) == []
    else:
        assert store.figures(day, day) == [figures]


def test_a_race_to_publish_has_one_winner(opened: Callable[..., Records]) -> None:
    """If several processes publish the same figures from the same counters, exactly one succeeds."""
    stores = [opened() for _ in range(4)]
    stores[0].add_counts({ALL: 12})
    gate = threading.Barrier(len(stores))
    results: list[object] = []

    def work(store: Records) -> None:
        gate.wait()
        try:
            results.append(store.publish([run(DAY, DAY)], {ALL: 12}))
        except Exception as error:
            results.append(error)

    run_together([partial(work, store) for store in stores])
    assert sorted(map(str, results)) == ["False", "False", "False", "True"]
    assert (stores[0].figures(DAY, DAY), stores[0].counts(DAY + 1)) == ([run(DAY, DAY)], {})


def _count_or_publish(number: int, url: str) -> None:
    store = open_records(url)
    for turn in range(40):
        if number:
            store.add_counts({ALL: 1})
        else:
            spent = store.counts(DAY + 1)
            total = sum(spent.values())
            store.publish([Figures("answers", turn, turn, {("", ACCEPT): total})], spent)


def test_what_is_counted_meanwhile_is_not_lost(url: str, store: Records) -> None:
    """While one process publishes repeatedly, others count: each answer is counted exactly once."""
    assert in_processes(3, _count_or_publish, url) == [0] * 3
    published = sum(sum(figures.cells.values()) for figures in store.figures(0, 99))
    assert published + sum(store.counts(DAY + 1).values()) == 80


# -- several sites


def test_sites_do_not_see_each_other(opened: Callable[..., Records]) -> None:
    """Two sites in one store have separate counters and runs."""
    one, other = opened("one"), opened("other")
    one.add_counts({ALL: 5})
    one.publish([run(1, 2)], {})
    assert (other.counts(DAY + 1), other.figures(0, DAY)) == ({}, [])
    assert not other.publish([], {ALL: 5})
    assert other.publish([run(2, 3)], {ALL: 0})
    other.add_counts({ALL: 2})
    assert (one.counts(DAY + 1), one.figures(0, DAY)) == ({ALL: 5}, [run(1, 2)])


def test_a_closed_store_says_so(opened: Callable[..., Records]) -> None:
    """Use after close raises RecordsError."""
    store = opened()
    store.close()
    for use in (
        lambda: store.add_counts({ALL: 1}),
        lambda: store.counts(DAY),
        lambda: store.publish([run(1, 2)], {}),
        lambda: store.figures(1, 2),
    ):
        with pytest.raises(RecordsError, match="closed"):
            use()
