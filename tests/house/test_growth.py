"""The measure of growth tells linear work from quadratic work."""

from __future__ import annotations

from tests.growth import MOST
from tests.growth import growth


def test_linear_work_is_linear() -> None:
    """A sum of numbers costs as much as there are numbers."""
    assert growth(lambda size: [1] * size, lambda numbers: sum(numbers), 50_000) < MOST


def test_quadratic_work_is_not() -> None:
    """A list that is read once for each of its items never passes."""
    assert growth(range, lambda numbers: [sum(numbers) for _ in numbers], 100) > MOST


def test_work_that_a_cache_would_spare_is_measured() -> None:
    """Every measurement has an input of its own."""
    given: list[int] = []
    growth(lambda size: size, given.append, 10)
    assert len(given) == len(set(given)) > 3
