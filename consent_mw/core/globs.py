"""
Names with ``*`` in them, which stands for any run of characters: cookies, storage keys, databases.

Joined regular expressions would try each star at each place (``a*a*a*b`` against two thousand letters takes
seconds). A pattern whose only wildcard is a star needs no second try: the leftmost place of each piece leaves the
most room for the pieces behind it, so one look from left to right decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic
from typing import TypeVar

T = TypeVar("T")


def fits(glob: str, name: str) -> bool:
    """Return whether the whole of ``name`` fits ``glob``, in which ``*`` stands for any run of characters."""
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
    Values by the globs of their names, looked up by a name.

    Args:
        pairs: Globs, each with its value; one glob may stand for several values.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, list[T]] = {}
        #: Globs by what stands before their first star, and the lengths that such beginnings have.
        self._by_beginning: dict[str, list[tuple[str, T]]] = {}
        for glob, value in pairs:
            beginning, star, _ = glob.partition("*")
            if star:
                self._by_beginning.setdefault(beginning, []).append((glob, value))
            else:
                self._exact.setdefault(glob, []).append(value)
        self._lengths = sorted({len(beginning) for beginning in self._by_beginning})

    def values(self, name: str) -> list[T]:
        """Return the values of all globs that ``name`` fits, each once; those of the name itself come first."""
        found = dict.fromkeys(self._exact.get(name, ()))
        for length in self._lengths:
            if length > len(name):
                break
            for glob, value in self._by_beginning.get(name[:length], ()):
                if value not in found and fits(glob, name):
                    found[value] = None
        return list(found)

    def fits(self, name: str) -> bool:
        """Return whether ``name`` fits any of the globs."""
        return bool(self.values(name))
