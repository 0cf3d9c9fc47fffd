"""
Work that is done concurrently, ahead of the tests that need it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Batch(Generic[K, V]):
    """
    Results of ``work(key)``, computed in batches of ``size`` neighbours in ``keys`` when one of them is requested.

    Browsers wait more than they compute, so ``width`` visits at once take little longer than one. A worker that runs
    only some of the tests computes only their batches.
    """

    def __init__(self, keys: Sequence[K], work: Callable[[K], V], *, size: int = 24, width: int = 6) -> None:
        self._groups = [keys[at : at + size] for at in range(0, len(keys), size)]
        self._place = {key: number for number, group in enumerate(self._groups) for key in group}
        self._work = work
        self._width = width
        self._done: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        """Return the result for ``key``, or raise its exception: a failure concerns only its key, and is not cached."""
        if key in self._done:
            return self._done[key]
        group = [key, *(other for other in self._groups[self._place[key]] if other not in self._done and other != key)]
        with ThreadPoolExecutor(self._width) as pool:
            begun = {one: pool.submit(self._work, one) for one in group}
        self._done |= {one: future.result() for one, future in begun.items() if future.exception() is None}
        return begun[key].result()
