"""
How the cost of work grows with its input, on a machine that does other things as well.

Other processes only ever add to a measured time, so the least of several measurements is nearest to the true cost. Two
sizes, one eight times the other, are measured in turns. Measuring ends once the least times show that the work is
linear: an undisturbed test needs one turn. Quadratic work takes 64 times as long in every turn, so it is never mistaken
for linear work, however quiet or busy the machine is.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: How many times as large the second input is.
TIMES = 8
#: Linear work stays below, with an allowance for caches; quadratic work takes 64 times as long.
MOST = 24.0
#: How often both sizes are measured before the work counts as more than linear.
TURNS = 12
#: Seconds below which a time says nothing.
LEAST = 0.0003


def growth(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    """
    Return how many times as long ``work`` takes for an input that is TIMES as large; below MOST it is linear.

    Args:
        make: Makes the input of a size. Not measured, and called for every measurement with another size, so that
            nothing is found in a cache.
        work: What is measured.
        size: The smaller size. Eight times of it should take some milliseconds at least.
    """
    work(make(size))  # what is compiled or loaded once is no part of the cost
    once = eight = float("inf")
    for turn in range(TURNS):
        once = min(once, *(_seconds(work, make(size + 1 + 3 * turn + again)) for again in range(3)))
        eight = min(eight, _seconds(work, make(TIMES * size + turn)))
        if eight < MOST * max(once, LEAST):
            break
    return eight / max(once, LEAST)


def _seconds(work: Callable[[T], object], given: T) -> float:
    """Return this thread's processor time in seconds, without garbage collection, which depends on other tests."""
    gc.disable()
    try:
        begun = time.thread_time()
        work(given)
        return time.thread_time() - begun
    finally:
        gc.enable()
