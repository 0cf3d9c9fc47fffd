"""
Work that is done side by side ahead of the tests that ask for it.
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
    Results of ``work(key)``, computed when the first of ``size`` neighbours in ``keys`` is asked for.

    Browsers wait more than they compute, so that ``width`` visits at once
    take little longer than one. A worker that runs only some of the tests
    does only the batches that these are in.
    """

    def __init__(self, keys: Sequence[K], work: Callable[[K], V], *, size: int = 24, width: int = 6) -> None:
        self._groups = [keys[at : at + size] for at in range(0, len(keys), size)]
        self._place = {key: number for number, group in enumerate(self._groups) for key in group}
        self._work = work
        self._width = width
        self._done: dict[K, V | BaseException] = {}

    def __getitem__(self, key: K) -> V:
        """Return the result for ``key``, or raise what its work raised."""
        if key not in self._done:
            group = self._groups[self._place[key]]
            with ThreadPoolExecutor(self._width) as pool:
                for neighbour, result in zip(group, pool.map(self._try, group), strict=True):
                    self._done[neighbour] = result
        found = self._done[key]
        if isinstance(found, BaseException):
            raise found
        return found

    def _try(self, key: K) -> V | BaseException:
        try:
            return self._work(key)
        except Exception as error:
            return error
