"""Untrusted input costs linear time: what is nested does not multiply, and what is repeated only adds."""

from __future__ import annotations

import timeit

import pytest

from benchmarks.hostile import NESTED
from benchmarks.hostile import SHAPES
from benchmarks.hostile import Shape
from benchmarks.hostile import begin_at
from benchmarks.hostile import cost
from benchmarks.hostile import refuses
from consent_mw import catalogue
from consent_mw.html.match import Matcher
from tests.growth import MOST
from tests.growth import growth

#: The least seconds for n.
BEGIN = 0.002


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_costs_grow_with_the_input(shape: Shape) -> None:
    """The cost of n repetitions is linear in n."""
    assert growth(shape.make, lambda data: refuses(shape, data), begin_at(shape, BEGIN, 100_000)) < MOST


@pytest.mark.parametrize("shape", NESTED.values(), ids=NESTED)
def test_nesting_does_not_multiply(shape: Shape) -> None:
    """Three more levels do not cost a hundred times as much: not every level is read in every charset of the last."""
    cost(shape, 1, 1)  # warm up
    once, deep = cost(shape, 1, 1), cost(shape, 4, 1)
    assert deep < 100 * max(once, BEGIN), (once, deep)


def test_a_rule_is_found_as_quickly_among_many_attributes() -> None:
    """A tag's rules are asked for with each of its addresses, so a question must not read all of its attributes."""
    matcher = Matcher(catalogue.load().values())

    def asked(count: int) -> float:
        names = dict.fromkeys(b"data-a%d" % number for number in range(count)).keys()
        return min(timeit.repeat(lambda: matcher.element_rules(b"img", names), number=100, repeat=5))

    assert asked(100_000) < 50 * asked(100)
