"""What every store guarantees about the observations of a site's pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.observations import COOKIE
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from tests.records.samples import in_processes
from tests.records.samples import run_together

SCRIPT = Sighting("hotjar.com", "script", "hotjar", held=True)
OURS = Sighting(COOKIE + "_hj*", "cookie", "", held=False)


def learn(store: Records, *ids: str, day: int = 1) -> None:
    """Observe that services were held."""
    store.observe({of_service(id_): Occurrence(day, day) for id_ in ids})


def test_nothing_is_observed_at_first(store: Records) -> None:
    """An empty store has no services and no observations."""
    assert (store.learned(), store.observed()) == (frozenset(), {})


def test_observations_are_kept_as_they_are(store: Records) -> None:
    """Third parties, cookies, services and the number of pages are told apart, by whether they were held, too."""
    seen = {
        SCRIPT: Occurrence(3, 5, 7, "/check out"),
        SCRIPT._replace(held=False): Occurrence(4, 4, 1, ""),
        OURS: Occurrence(1, 2, 3, "/"),
        PAGE: Occurrence(1, 9, 100),
        of_service("hotjar"): Occurrence(3, 3),
    }
    store.observe(seen)
    assert (store.observed(), store.learned()) == (seen, frozenset({"hotjar"}))


def test_only_held_services_are_learned(store: Records) -> None:
    """A domain or a cookie of a service asks nobody: what was held of it does."""
    store.observe({SCRIPT: Occurrence(1, 1, 1), OURS: Occurrence(1, 1, 1), PAGE: Occurrence(1, 1, 1)})
    assert store.learned() == frozenset()


PLACES = st.sampled_from(["", "/a", "/b c"])
OCCURRENCES = st.builds(Occurrence, st.integers(0, 50), st.integers(0, 50), st.integers(0, 9), PLACES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(OCCURRENCES, min_size=1, max_size=5), st.sampled_from([SCRIPT, OURS, PAGE, of_service("ga")]))
def test_stores_join_occurrences_as_the_model_does(store: Records, found: list[Occurrence], what: Sighting) -> None:
    """The first and the last day, the sum of the pages, and the place of the earliest day with one."""
    expected = store.observed().get(what)
    for one in found:
        store.observe({what: one})
        expected = one if expected is None else expected.joined(one)
    assert store.observed()[what] == expected


def test_what_one_process_observes_the_others_know(opened: Callable[..., Records]) -> None:
    """Observations are shared, and still there after a restart."""
    one, other = opened(), opened()
    learn(one, "ga")
    one.close()
    assert other.learned() == opened().learned() == {"ga"}


def test_sites_learn_for_themselves(opened: Callable[..., Records]) -> None:
    """Sites in one store have separate observations."""
    one, other = opened("one"), opened("other")
    one.observe({SCRIPT: Occurrence(1, 1), of_service("ga"): Occurrence(1, 1)})
    other.forget_observations(100, 0)
    assert (other.observed(), len(one.observed())) == ({}, 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text())
def test_any_text_is_learned_or_refused(store: Records, text: str) -> None:
    """No id breaks the store: it is stored unchanged, or refused with RecordsError."""
    known, rows = store.learned(), store.observed()
    named = Sighting("x.test", "script", text)
    try:
        store.observe({of_service(text): Occurrence(1, 1), named: Occurrence(1, 1, 1, text)})
    except RecordsError:
        assert (store.learned(), store.observed()) == (known, rows)
    else:
        assert store.learned() == known | {text}
        assert {of_service(text), named} <= store.observed().keys()


def test_old_third_parties_are_forgotten_and_services_stay(store: Records) -> None:
    """What pages last contained before a day goes; what visitors are asked about, and the number of pages, stays."""
    old, new = Occurrence(1, 9, 2), Occurrence(1, 10, 2)
    seen = {SCRIPT: old, OURS: new, PAGE: old, of_service("ga"): old}
    store.observe(seen)
    store.forget_observations(10, 100)
    assert store.observed() == {what: span for what, span in seen.items() if what != SCRIPT}


def test_of_too_many_third_parties_the_latest_stay(store: Records) -> None:
    """Their number is bounded; what visitors are asked about is not pushed out by what pages contain."""
    names = [Sighting(f"s{number}.test", "script") for number in range(30)]
    store.observe({name: Occurrence(1, day, 1) for day, name in enumerate(names)} | {PAGE: Occurrence(0, 0, 1)})
    learn(store, "ga", "youtube", day=0)
    store.forget_observations(0, 10)
    assert set(store.observed()) == {*names[20:], PAGE, of_service("ga"), of_service("youtube")}


def test_threads_count_together(store: Records) -> None:
    """If many threads observe the same, no page is lost."""
    failed: list[object] = []

    def work() -> None:
        try:
            for turn in range(10):
                store.observe({SCRIPT: Occurrence(turn, turn, 1), OURS: Occurrence(1, 1, 1)})
        except Exception as error:
            failed.append(error)

    run_together([work] * 6)
    assert (failed, store.observed()) == ([], {SCRIPT: Occurrence(0, 9, 60), OURS: Occurrence(1, 1, 60)})


def _learn_in_child(number: int, store: Records) -> None:
    learn(store, "shared", f"child{number}")


def test_forked_processes_learn_together(store: Records) -> None:
    """A store opened before a fork sees what its children have learned."""
    learn(store, "parent")
    assert in_processes(3, _learn_in_child, store) == [0, 0, 0]
    assert store.learned() == {"parent", "shared", "child0", "child1", "child2"}


def test_a_closed_store_says_so(opened: Callable[..., Records]) -> None:
    """Use after close raises RecordsError."""
    store = opened()
    store.close()
    for use in (
        store.learned,
        store.observed,
        lambda: learn(store, "x"),
        lambda: store.forget_observations(1, 1),
    ):
        with pytest.raises(RecordsError, match="closed"):
            use()
