"""The circuit breaker of a store: which calls it admits, which fail at once, and which are abandoned."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable

import pytest

from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records.spool import breaker
from consent_mw.records.spool.breaker import Breaker
from consent_mw.records.spool.breaker import Unavailable

LONG = 60.0


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """A fake store: counts calls, and fails while it is down."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = True

    def __call__(self) -> int:
        self.calls += 1
        if self.down:
            raise RecordsError("down")
        return self.calls


@pytest.fixture
def clock() -> Clock:
    """Return a stopped clock."""
    return Clock()


@pytest.fixture
def changes() -> list[str]:
    """Return the changes that the breaker reported."""
    return []


@pytest.fixture
def tried(clock: Clock, changes: list[str]) -> Breaker:
    """Return a breaker that uses the clock."""
    return Breaker(lambda error: changes.append(str(error)), clock=clock)


def fails(call: Callable[[], object], error: type[Exception] = RecordsError) -> None:
    """Expect the call to fail with exactly that error."""
    with pytest.raises(RecordsError) as caught:
        call()
    assert type(caught.value) is error


def test_after_a_failure_nothing_is_called_for_a_while(tried: Breaker, clock: Clock) -> None:
    """A store that is down is not called, and callers fail at once."""
    store = Store()
    fails(lambda: tried.call(store))
    clock.now += breaker.PAUSE * 0.9
    fails(lambda: tried.call(store), Unavailable)
    fails(lambda: tried.soon(store, LONG), Unavailable)
    assert (store.calls, tried.closed) == (1, False)


def test_the_while_doubles_up_to_a_bound(tried: Breaker, clock: Clock) -> None:
    """The longer a store is down, the less often it is tried, down to a limit."""
    store = Store()
    fails(lambda: tried.call(store))
    pauses = []
    for _ in range(6):
        begin = clock.now
        while True:
            clock.now += breaker.PAUSE / 2
            calls = store.calls
            with pytest.raises(RecordsError):
                tried.call(store)
            if store.calls > calls:
                break
        pauses.append(clock.now - begin)
    assert pauses == [1, 2, 4, 4, 4, 4]


def test_a_call_that_succeeds_lets_everybody_in(tried: Breaker, clock: Clock) -> None:
    """Once the store is back, every call is admitted."""
    store = Store()
    fails(lambda: tried.call(store))
    clock.now += breaker.PAUSE
    store.down = False
    assert [tried.call(store), tried.soon(store, LONG), tried.closed] == [2, 3, True]


def test_one_at_a_time_may_try(tried: Breaker, clock: Clock) -> None:
    """While one caller probes whether the store is back, the others fail at once."""
    store = Store()
    fails(lambda: tried.call(store))
    clock.now += breaker.PAUSE
    store.down = False

    def try_inside() -> int:
        fails(lambda: tried.call(store), Unavailable)
        return 7

    assert tried.call(try_inside) == 7


def test_changes_are_told_once(tried: Breaker, clock: Clock, changes: list[str]) -> None:
    """One change is reported when a store goes down and one when it returns, however many calls are in between."""
    store = Store()
    for _ in range(5):
        with pytest.raises(RecordsError):
            tried.call(store)
        clock.now += LONG
    store.down = False
    tried.call(store)
    tried.call(store)
    assert changes == ["down", "None"]


def test_an_error_that_is_not_ours_is_one_of_the_store(tried: Breaker) -> None:
    """Any exception of a store's library reaches the caller as a RecordsError, without its text."""

    def fail() -> None:
        raise OSError("redis://:secret@host")

    with pytest.raises(RecordsError, match=r"^The records failed: OSError\.$"):
        tried.call(fail)


def test_an_owners_mistake_stays_one(tried: Breaker) -> None:
    """A ConfigError is passed on unchanged."""

    def fail() -> None:
        raise ConfigError([])

    with pytest.raises(ConfigError):
        tried.call(fail)


def test_an_interrupted_try_leaves_room_for_the_next(tried: Breaker, clock: Clock) -> None:
    """A probe that is interrupted does not count as a result."""
    store = Store()
    fails(lambda: tried.call(store))
    clock.now += breaker.PAUSE

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tried.call(stop)
    store.down = False
    assert tried.call(store) == 2


class Slow:
    """A fake store that answers when the test lets it."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls = 0
        self.done = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        self.go.wait(LONG)
        self.done.set()
        return "answer"


def settled(tried: Breaker) -> None:
    """Wait until no call is pending."""
    for _ in range(2000):
        if not tried._state.late:
            return
        threading.Event().wait(0.01)
    pytest.fail("the call did not come back")


def test_a_late_call_is_left_behind_and_still_happens(tried: Breaker) -> None:
    """Its caller continues after a moment; the call is completed anyway."""
    slow = Slow()
    fails(lambda: tried.soon(slow, 0.01), Unavailable)
    slow.go.set()
    settled(tried)
    assert (slow.done.is_set(), tried.soon(slow, LONG), tried.closed) == (True, "answer", True)


def test_nobody_waits_while_a_call_is_late(tried: Breaker) -> None:
    """After one caller found the store slow, the next ones fail at once."""
    slow = Slow()
    fails(lambda: tried.soon(slow, 0.01), Unavailable)
    fails(lambda: tried.soon(slow, LONG), Unavailable)
    slow.go.set()
    settled(tried)
    assert slow.calls == 1


def test_a_late_call_that_fails_opens(tried: Breaker, changes: list[str]) -> None:
    """The failure of an abandoned call still opens the breaker."""
    begin = threading.Event()

    def fail() -> None:
        begin.wait(LONG)
        raise RecordsError("timed out")

    fails(lambda: tried.soon(fail, 0.01), Unavailable)
    begin.set()
    settled(tried)
    assert (tried.closed, changes) == (False, ["timed out"])


def test_idle_threads_are_used_again(tried: Breaker) -> None:
    """A site does not start a new thread for each grant."""
    threads = {tried.soon(threading.current_thread, LONG) for _ in range(50)}
    assert len(threads) <= 2


def test_no_more_threads_than_the_bound_wait(tried: Breaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers beyond the limit fail at once."""
    monkeypatch.setattr(breaker, "THREADS", 1)
    inside: list[type[Exception]] = []

    def nested() -> None:
        with pytest.raises(RecordsError) as caught:
            tried.soon(Store(), LONG)
        inside.append(type(caught.value))

    tried.soon(nested, LONG)
    assert inside == [Unavailable]


def _exit_by_state(tried: Breaker) -> None:
    """Exit with 7 if the child has the parent's state, or 8 if it can make calls in its own threads."""
    if not tried.closed:
        sys.exit(7)
    sys.exit(8 if tried.soon(lambda: "answer", LONG) == "answer" else 1)


@pytest.mark.parametrize(("down", "expected"), [(True, 7), (False, 8)])
def test_a_forked_process_knows_what_its_parent_knew(tried: Breaker, down: bool, expected: int) -> None:
    """A worker inherits that the store is down, and does not use its parent's threads."""
    store = Store()
    store.down = down
    if down:
        fails(lambda: tried.call(store))
    else:
        tried.soon(store, LONG)
    child = multiprocessing.get_context("fork").Process(target=_exit_by_state, args=(tried,))
    child.start()
    child.join(60)
    assert child.exitcode == expected
