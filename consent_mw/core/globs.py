"""
Globs for the names of cookies, storage keys and databases: ``*`` matches any run of characters.

A regular expression would backtrack through every position of every star (``a*a*a*b`` against two thousand letters
takes seconds). A pattern whose only wildcard is the star needs no backtracking: matching each piece at its leftmost
position leaves the most room for the pieces after it, so one pass from left to right decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic
from typing import TypeVar

T = TypeVar("T")


def fits(glob: str, name: str) -> bool:
    """Return whether ``glob`` matches all of ``name``; ``*`` matches any run of characters."""
    first, star, rest = glob.partition("*")
    if not star:
        return name == glob
    *middle, last = rest.split("*")
    end = len(name) - len(last)
    at = len(first)
    if end < at or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in middle:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class Globs(Generic[T]):
    """
    A mapping from globs to values, looked up by name.

    Args:
        pairs: Globs with their values; a glob may occur with several values.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, list[T]] = {}
        #: Globs by their prefix before the first star, and the lengths of these prefixes.
        self._by_beginning: dict[str, list[tuple[str, T]]] = {}
        for glob, value in pairs:
            beginning, star, _ = glob.partition("*")
            if star:
                self._by_beginning.setdefault(beginning, []).append((glob, value))
            else:
                self._exact.setdefault(glob, []).append(value)
        self._lengths = sorted({len(beginning) for beginning in self._by_beginning})

    def values(self, name: str) -> list[T]:
        """Return the values of all globs that match ``name``, each once; those of the literal name come first."""
        found = dict.fromkeys(self._exact.get(name, ()))
        for length in self._lengths:
            if length > len(name):
                break
            for glob, value in self._by_beginning.get(name[:length], ()):
                if value not in found and fits(glob, name):
                    found[value] = None
        return list(found)

    def fits(self, name: str) -> bool:
        """Return whether any of the globs matches ``name``."""
        return bool(self.values(name))
