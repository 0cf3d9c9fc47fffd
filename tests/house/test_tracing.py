"""Which runs of a test are traced for coverage (``tests/tracing.py``)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from coverage import Coverage

from tests.tracing import PATIENCE
from tests.tracing import SAMPLE
from tests.tracing import SECONDS
from tests.tracing import Runs
from tests.tracing import Watch


def traced(runs: Runs, number: int, *, is_new: bool, seconds: float = 0.0) -> int:
    """Make runs; return how many of them were traced."""
    count = 0
    for _ in range(number):
        if runs.wants_trace():
            count += 1
            runs.traced(is_new=is_new, seconds=seconds)
    return count


def test_runs_on_new_paths_are_all_traced() -> None:
    """As long as a test takes new paths, none of its runs is left out."""
    assert traced(Runs(), 500, is_new=True) == 500


def test_runs_on_known_paths_are_traced_at_times() -> None:
    """After some runs without a new path, one in so many is traced."""
    runs = Runs()
    assert traced(runs, PATIENCE, is_new=False) == PATIENCE
    assert traced(runs, 10 * SAMPLE, is_new=False) == 10


def test_a_late_new_path_brings_tracing_back() -> None:
    """The runs after one that took a new path are traced again."""
    runs = Runs()
    traced(runs, PATIENCE, is_new=False)
    assert traced(runs, SAMPLE, is_new=True) >= 1
    assert traced(runs, PATIENCE, is_new=False) == PATIENCE


@pytest.mark.parametrize("number", [1, PATIENCE])
def test_the_first_runs_are_traced(number: int) -> None:
    """A test that runs a few times is measured in whole."""
    assert traced(Runs(), number, is_new=False) == number


def test_of_slow_runs_few_are_traced() -> None:
    """Half a second without a new path counts as much as many quick runs."""
    assert traced(Runs(), 2 * SAMPLE, is_new=False, seconds=SECONDS) == 3
    assert traced(Runs(), 2 * SAMPLE, is_new=True, seconds=SECONDS) == 2 * SAMPLE


class Tracer:
    """Stands in for coverage's tracer."""

    def __init__(self) -> None:
        self.is_on = True
        self._collector = SimpleNamespace(data={"a.py": {(1, 2)}})

    def start(self) -> None:
        """See coverage."""
        assert not self.is_on
        self.is_on = True

    def stop(self) -> None:
        """See coverage."""
        assert self.is_on
        self.is_on = False

    def meet(self, *path: int) -> None:
        """Take a step from line to line."""
        self._collector.data["a.py"].add(path)


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    """A tracer; the signal of the watch that traces this test is kept."""
    kept = signal.getsignal(signal.SIGVTALRM)
    yield Tracer()
    signal.signal(signal.SIGVTALRM, kept)


def test_a_run_is_traced_as_long_as_it_takes_new_paths(tracer: Tracer) -> None:
    """When the timer expires without a new path, tracing stops; it goes on after the run."""
    watch = Watch(cast("Coverage", tracer))
    with watch.over(Runs(), timed=True):
        tracer.meet(2, 3)
        signal.raise_signal(signal.SIGVTALRM)
        assert tracer.is_on
        signal.raise_signal(signal.SIGVTALRM)
        assert not tracer.is_on
    assert tracer.is_on


def test_a_run_that_is_not_timed_is_traced_in_whole(tracer: Tracer) -> None:
    """A signal that arrives late, after a timed run, stops nothing."""
    watch = Watch(cast("Coverage", tracer))
    with watch.over(Runs()):
        signal.raise_signal(signal.SIGVTALRM)
        assert tracer.is_on


def test_what_is_paused_can_be_traced_again_within(tracer: Tracer) -> None:
    """Hypothesis is not traced, but the examples are."""
    watch = Watch(cast("Coverage", tracer))
    with watch.over(Runs(), timed=True), watch.paused():
        assert not tracer.is_on
        with watch.over(Runs()):
            assert tracer.is_on
        assert not tracer.is_on
    assert tracer.is_on
