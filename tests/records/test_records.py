"""What every store promises."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from consent_mw.core.model import Action
from consent_mw.core.model import Record
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records


def test_nothing_is_learned_at_first(store: Records) -> None:
    """An empty store has seen no service."""
    assert store.learned() == frozenset()


def test_a_service_is_learned_once(store: Records) -> None:
    """The first to see a service is told so, and nobody after."""
    assert [store.learn("ga", 1), store.learn("ga", 2), store.learn("youtube", 2)] == [True, False, True]
    assert store.learned() == {"ga", "youtube"}


def test_what_one_process_learns_the_others_know(opened: Callable[[], Records]) -> None:
    """Learned services are shared, and the version tells the others to look."""
    one, other = opened(), opened()
    before = other.version()
    one.learn("ga", 1)
    assert (other.version() != before, other.learned(), other.learn("ga", 1)) == (True, frozenset({"ga"}), False)


def test_the_version_stays_while_nothing_is_learned(store: Records, grant: Record) -> None:
    """A grant does not make every process read the learned services again."""
    store.learn("ga", 1)
    before = store.version()
    store.append(grant, language="en", notice="n")
    store.learn("ga", 2)
    assert store.version() == before


def test_what_is_learned_stays(opened: Callable[[], Records]) -> None:
    """A new start finds what the last one knew."""
    one = opened()
    one.learn("ga", 1)
    one.close()
    assert opened().learned() == {"ga"}


@pytest.mark.parametrize("action", [Action.ACCEPT, Action.PARTIAL])
def test_a_grant_without_a_receipt_is_refused(store: Records, grant: Record, action: Action) -> None:
    """What could never be found again must not be acknowledged."""
    with pytest.raises(RecordsError, match="needs a receipt"):
        store.append(replace(grant, action=action, receipt=""), language="en", notice="n")


def test_a_closed_store_says_so(opened: Callable[[], Records], grant: Record) -> None:
    """Use after close is an error of the store's own kind, for every method."""
    store = opened()
    store.close()
    store.close()
    for use in (
        lambda: store.append(grant, language="en", notice="n"),
        store.learned,
        store.version,
        lambda: store.learn("x", 1),
    ):
        with pytest.raises(RecordsError, match="closed"):
            use()


def test_threads_share_a_store(store: Records, grant: Record) -> None:
    """Many threads append and learn at once, and nothing fails or is told to be new twice."""
    news: list[bool] = []
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                store.append(replace(grant, receipt=f"{number}-{turn}"), language="en", notice="n")
                news.append(store.learn(f"s{turn}", 1))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, news.count(True), store.version()) == ([], 10, 10)


def _in_child(store: Records, grant: Record, number: int) -> None:
    """Use a store that was opened before the fork."""
    for turn in range(10):
        store.append(replace(grant, receipt=f"child{number}-{turn}"), language="en", notice="n")
    store.learn(f"child{number}", 1)


def test_a_store_survives_a_fork(store: Records, grant: Record) -> None:
    """A server that opens and uses the store before it forks has workers that can use it, and may go on itself."""
    store.append(grant, language="en", notice="n")
    store.learn("parent", 1)
    forking = multiprocessing.get_context("fork")
    children = [forking.Process(target=_in_child, args=(store, grant, number)) for number in range(3)]
    for child in children:
        child.start()
    store.learn("meanwhile", 1)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert store.learned() == {"parent", "meanwhile", "child0", "child1", "child2"}


@pytest.mark.parametrize("text", ["sqlit\udc80", "a" * 3, "", "é'; DROP TABLE learned; --"])
def test_any_text_is_learned_or_refused(store: Records, text: str) -> None:
    """No id breaks the store: it is kept as it is, or RecordsError."""
    try:
        store.learn(text, 1)
    except RecordsError:
        assert store.learned() == frozenset()
    else:
        assert store.learned() == {text}


@pytest.mark.parametrize(
    "url", ["redis://secret@h/0", "postgresql://h/d", "mysql://h", "sqlite://x", "sqlite:///", "x", ""]
)
def test_another_address_is_told_without_showing_it(url: str) -> None:
    """What is no store of this version is an error that names the setting, and shows no password."""
    with pytest.raises(ConfigError) as caught:
        open_records(url)
    assert [found.where for found in caught.value.problems] == ["site.records"]
    assert "secret" not in str(caught.value)
