"""Which runs of a test are traced for coverage (``tests/tracing.py``)."""

from __future__ import annotations

import pytest

from tests.tracing import EXAMPLES
from tests.tracing import PATIENCE
from tests.tracing import Runs


def traced(runs: Runs, number: int, *, is_new: bool) -> int:
    """Make runs; return how many of them were traced."""
    count = 0
    for _ in range(number):
        if runs.wants_trace():
            count += 1
            runs.traced(is_new=is_new)
    return count


def test_runs_on_new_paths_are_all_traced() -> None:
    """As long as a test takes new paths, none of its runs is left out."""
    assert traced(Runs(EXAMPLES), 500, is_new=True) == 500


def test_runs_on_known_paths_are_traced_at_times() -> None:
    """After some runs without a new path, one in so many is traced."""
    runs = Runs(EXAMPLES)
    assert traced(runs, PATIENCE, is_new=False) == PATIENCE
    assert traced(runs, 10 * EXAMPLES, is_new=False) == 10


def test_a_late_new_path_brings_tracing_back() -> None:
    """The runs after one that took a new path are traced again."""
    runs = Runs(EXAMPLES)
    traced(runs, PATIENCE, is_new=False)
    assert traced(runs, EXAMPLES, is_new=True) >= 1
    assert traced(runs, PATIENCE, is_new=False) == PATIENCE


@pytest.mark.parametrize("number", [1, PATIENCE])
def test_the_first_runs_are_traced(number: int) -> None:
    """A test that runs a few times is measured in whole."""
    assert traced(Runs(EXAMPLES), number, is_new=False) == number
