"""
A cache with two bounds, for everything that is remembered between requests.

Visitors decide what comes in, so a limit on entries alone is no limit: each entry may be large. This cache counts both
entries and bytes, and drops what was used longest ago.
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

#: Bytes of an entry beside its key and value: the nodes of the dictionary and the objects' headers.
OVERHEAD = 200


def size_of(thing: object) -> int:
    """Return about how many bytes a value holds: text and bytes by their length, collections by their items."""
    if isinstance(thing, str):
        return len(thing) if thing.isascii() else 4 * len(thing)
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, tuple | list | frozenset | set):
        return sum(map(size_of, thing)) + 8 * len(thing)
    return len(thing) if isinstance(thing, Sized) else 8


class BoundedCache(Generic[Key, Value]):
    """
    Remembers the most recently used entries, up to a number of entries and of bytes; threads may share it.

    Args:
        entries: The most entries that are kept.
        size: The most bytes of keys and values that are kept; a larger entry is not kept at all.
        measure: Returns the bytes of a value. Without it, text, bytes and collections of them are measured.
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
        """Bytes that are kept now."""
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
        """Return the values that are kept, the oldest first; looking at them uses none."""
        with self._lock:
            return [value for value, _ in self._kept.values()]

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and drop the oldest entries until both bounds hold."""
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
        """Forget a key; one that is not kept is no error."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _drop(self, key: Key) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._size -= size
