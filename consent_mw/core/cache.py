"""
A cache that is bounded in entries and in bytes, for everything that is remembered between requests.

Visitors control the content, so a limit on entries alone is not enough: each entry may be large. This cache limits both
entries and bytes, and drops the least recently used entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Sized
from threading import Lock
from typing import Generic
from typing import TypeVar

__all__ = ["BoundedCache"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: Overhead of an entry in bytes: dictionary nodes and object headers.
OVERHEAD = 200


def size_of(thing: object) -> int:
    """Return the approximate size of a value in bytes: strings and bytes by length, collections by their items."""
    if thing is None or isinstance(thing, int):
        return 8  # before the question for a size, which takes a microsecond
    if isinstance(thing, str):
        return len(thing) if thing.isascii() else 4 * len(thing)
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, tuple | list | frozenset | set):
        return sum(map(size_of, thing)) + 8 * len(thing)
    return len(thing) if isinstance(thing, Sized) else 8


class BoundedCache(Generic[Key, Value]):
    """
    Keeps the most recently used entries, up to a number of entries and of bytes; threads may share it.

    Args:
        entries: The most entries that are kept.
        size: The most bytes of keys and values that are kept; a larger entry is not stored.
        measure: Returns the size of a value in bytes; the default measures strings, bytes and collections of them.
    """

    def __init__(self, entries: int, size: int, *, measure: Callable[[Value], int] = size_of) -> None:
        self._most = entries
        self._limit = size
        self._measure = measure
        self._lock = Lock()
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """The current size in bytes."""
        return self._size

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, which becomes the most recently used; None if it is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def values(self) -> list[Value]:
        """Return the values, least recently used first, without marking them as used."""
        with self._lock:
            return [value for value, _ in self._kept.values()]

    def put(self, key: Key, value: Value) -> None:
        """Store a value, and drop the oldest entries until both limits hold."""
        size = OVERHEAD + size_of(key) + self._measure(value)
        with self._lock:
            self._drop(key)
            if size > self._limit:
                return
            self._kept[key] = (value, size)
            self._size += size
            while len(self._kept) > self._most or self._size > self._limit:
                self._drop(next(iter(self._kept)))

    def drop(self, key: Key) -> None:
        """Remove a key if it is there."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _drop(self, key: Key) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._size -= size
