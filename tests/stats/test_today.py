"""Today so far: round numbers, late by an amount that only the key tells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.counts import ASKED
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import Count
from consent_mw.core.counts import K
from consent_mw.stats.today import so_far

TODAY = 20_779
STEPS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]


def told(asked: int, key: str = "key", day: int = TODAY) -> int | None:
    """Return what is told of so many visits."""
    return so_far({Count(day, TOTAL, "", ASKED): asked, Count(day - 1, TOTAL, "", ASKED): 9_999}, day, key, "site")


def passed(step: int, key: str) -> int:
    """Return the count at which a step is told."""
    return next(count for count in range(step, 2 * step) if (told(count, key) or 0) >= step)


@given(asked=st.integers(0, 9_000), key=st.text(min_size=1, max_size=8))
def test_it_is_a_step_that_was_reached_and_at_least_k(asked: int, key: str) -> None:
    """Never more than there were, never fewer than ten, never the count itself but a step."""
    found = told(asked, key)
    assert found is None or (K <= found <= asked and found in STEPS)


@given(asked=st.integers(0, 3_000), key=st.text(min_size=1, max_size=8))
def test_it_only_grows_with_the_visits(asked: int, key: str) -> None:
    """One visit more never takes back what was told."""
    assert (told(asked, key) or 0) <= (told(asked + 1, key) or 0)


def test_a_step_is_told_by_twice_its_size_at_the_latest() -> None:
    """Whatever the key draws, 20 visits tell of ten at least."""
    assert all(told(2 * step - 1, f"key {number}") is not None for step in STEPS for number in range(20))


def test_nobody_without_the_key_knows_the_count_at_which_it_is_told() -> None:
    """Over keys, and over days, the count at which ten is told takes every value there is."""
    assert {passed(10, f"key {number}") for number in range(200)} == set(range(10, 20))
    days = {next(n for n in range(10, 20) if told(n, day=TODAY + number)) for number in range(200)}
    assert days == set(range(10, 20))
