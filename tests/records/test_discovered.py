"""What every store guarantees about discovered services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from tests.records.samples import in_processes
from tests.records.samples import run_together


def test_nothing_is_learned_at_first(store: Records) -> None:
    """An empty store has no services."""
    assert store.learned() == frozenset()


def test_a_service_is_learned_once(store: Records) -> None:
    """Only the first caller is told that a service is new."""
    assert [store.learn("ga", 1), store.learn("ga", 2), store.learn("youtube", 2)] == [True, False, True]
    assert store.learned() == {"ga", "youtube"}


def test_what_one_process_learns_the_others_know(opened: Callable[..., Records]) -> None:
    """Learned services are shared, and the version tells other processes to read them."""
    one, other = opened(), opened()
    before = other.version()
    one.learn("ga", 1)
    assert (other.version() != before, other.learned(), other.learn("ga", 1)) == (True, frozenset({"ga"}), False)


def test_the_version_stays_while_nothing_is_learned(store: Records, grant: Entry) -> None:
    """A grant does not make processes read the learned services again."""
    store.learn("ga", 1)
    before = store.version()
    store.append(grant)
    store.learn("ga", 2)
    assert store.version() == before


def test_what_is_learned_stays(opened: Callable[..., Records]) -> None:
    """Learned services are still there after a restart."""
    one = opened()
    one.learn("ga", 1)
    one.close()
    assert opened().learned() == {"ga"}


def test_sites_learn_for_themselves(opened: Callable[..., Records]) -> None:
    """Sites in one store have separate services."""
    one, other = opened("one"), opened("other")
    before = other.version()
    one.learn("ga", 1)
    assert (other.learned(), other.version() == before, other.learn("ga", 1)) == (frozenset(), True, True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text())
def test_any_text_is_learned_or_refused(store: Records, text: str) -> None:
    """No id breaks the store: it is stored unchanged, or refused with RecordsError."""
    known = store.learned()
    try:
        store.learn(text, 1)
    except RecordsError:
        assert store.learned() == known
    else:
        assert store.learned() == known | {text}


def test_threads_learn_together(store: Records) -> None:
    """If many threads learn the same services at once, exactly one is told that each is new."""
    news: list[object] = []

    def work() -> None:
        try:
            news.extend(store.learn(f"s{turn}", 1) for turn in range(10))
        except Exception as error:
            news.append(error)

    run_together([work] * 6)
    assert (news.count(True), news.count(False), len(store.learned())) == (10, 50, 10)


def _learn_in_child(number: int, store: Records) -> None:
    store.learn("shared", 1)
    store.learn(f"child{number}", 1)


def test_forked_processes_learn_together(store: Records) -> None:
    """A store opened before a fork sees what its children have learned."""
    store.learn("parent", 1)
    assert in_processes(3, _learn_in_child, store) == [0, 0, 0]
    assert store.learned() == {"parent", "shared", "child0", "child1", "child2"}


def test_a_closed_store_says_so(opened: Callable[..., Records]) -> None:
    """Use after close raises RecordsError."""
    store = opened()
    store.close()
    for use in (store.learned, store.version, lambda: store.learn("x", 1)):
        with pytest.raises(RecordsError, match="closed"):
            use()
