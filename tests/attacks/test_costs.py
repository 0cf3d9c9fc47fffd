"""No input of a stranger costs more than its length: eight times as much of a shape takes about eight times as long."""

from __future__ import annotations

import pytest

from benchmarks.hostile import SHAPES
from benchmarks.hostile import Shape
from benchmarks.hostile import begin_at
from benchmarks.hostile import cost

#: Work that grows with the square takes 64 times as long; between that and eight there is room for a busy machine.
MOST = 28
#: Seconds for n, and what takes less for 8n than nobody can be kept busy with.
BEGIN = 0.002
LITTLE = 0.05


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_costs_grow_with_the_input(shape: Shape) -> None:
    """Processor time for 8n is that for n times a constant."""
    n = begin_at(shape, BEGIN, 100_000)
    once, eight = cost(shape, n, 3), cost(shape, 8 * n, 2)
    assert eight < LITTLE or eight < MOST * once, (n, once, eight)
