"""
How long something usually takes in this process, by a sample.
"""

from __future__ import annotations

from collections import deque
from itertools import count

__all__ = ["Durations"]

#: One in so many is measured.
_EVERY = 20
#: The number of measurements that are kept, and the fewest that say something.
_KEPT = 100
_FEWEST = 5


class Durations:
    """The durations of the last sampled events; safe for several threads."""

    def __init__(self) -> None:
        self._turns = count()
        self._last: deque[float] = deque(maxlen=_KEPT)

    def due(self) -> bool:
        """Count an event; return whether to measure it."""
        return next(self._turns) % _EVERY == 0

    def add(self, seconds: float) -> None:
        """Keep the duration of an event."""
        self._last.append(seconds)

    def usual(self) -> float | None:
        """
        Return the median in seconds, to one significant digit; None if there are too few.

        An exact number would change with every event, and so would tell of a single visit.
        """
        last = sorted(self._last)
        return float(f"{last[len(last) // 2]:.0e}") if len(last) >= _FEWEST else None
