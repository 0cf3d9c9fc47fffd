"""
Where a site shows no notice, and where it is not touched at all, by path and host.

A pattern is a path, with a host before it where it is of one host only: ``/admin/``, ``intranet.example/``,
``*.example.org/tools/*.html``. What ends with a slash stands for all below it, and ``*`` for any run of characters.
"""

from __future__ import annotations

from collections.abc import Iterable

from consent_mw.core.cache import BoundedCache
from consent_mw.core.globs import fits
from consent_mw.http.hosts import host_of

#: Addresses whose answer is kept; visitors may make up any number of them.
_KEPT = 1024
_KEPT_SIZE = 262_144


class Paths:
    """
    Patterns of one kind; shared by threads.

    Args:
        patterns: As the owner wrote them.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns: tuple[tuple[str, str], ...] = ()
        self._known: BoundedCache[tuple[str, str], bool] = BoundedCache(_KEPT, _KEPT_SIZE)
        self.add(patterns)

    def add(self, patterns: Iterable[str]) -> None:
        """Take up more patterns."""
        found = [(host.lower(), slash + path) for host, slash, path in (one.partition("/") for one in patterns)]
        self._patterns = tuple(dict.fromkeys([*self._patterns, *found]))
        self._known.clear()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._patterns)

    def hold(self, authority: str, path: str) -> bool:
        """
        Return whether one of the patterns stands for an address.

        Args:
            authority: The request's Host header.
            path: As the visitor sees it, with what the application is mounted under.
        """
        if not self._patterns:
            return False
        key = (authority, path)
        known = self._known.get(key)
        if known is None:
            host = host_of(authority)
            known = any(
                (not wanted or fits(wanted, host)) and fits(pattern + "*" if pattern.endswith("/") else pattern, path)
                for wanted, pattern in self._patterns
            )
            self._known.put(key, known)
        return known
