"""
Where a site shows no notice, and which addresses are not touched at all.

A pattern is a path, preceded by a host if it applies to that host only: ``/admin/``, ``intranet.example/``,
``*.example.org/tools/*.html``. A pattern that ends with a slash matches everything below it; ``*`` matches any run of
characters.
"""

from __future__ import annotations

from collections.abc import Iterable

from consent_mw.core.cache import BoundedCache
from consent_mw.core.globs import fits
from consent_mw.http.hosts import host_of

#: Addresses whose result is cached; visitors can request any number of different ones.
_KEPT = 1024
_KEPT_SIZE = 262_144


class Paths:
    """
    A set of patterns; shared by threads.

    Args:
        patterns: The patterns as the owner wrote them.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns: tuple[tuple[str, str], ...] = ()
        self._known: BoundedCache[tuple[str, str], bool] = BoundedCache(_KEPT, _KEPT_SIZE)
        self.add(patterns)

    def add(self, patterns: Iterable[str]) -> None:
        """Add patterns."""
        found = [(host.lower(), slash + path) for host, slash, path in (one.partition("/") for one in patterns)]
        self._patterns = tuple(dict.fromkeys([*self._patterns, *found]))
        self._known.clear()

    def __bool__(self) -> bool:
        """Whether there are any patterns."""
        return bool(self._patterns)

    def hold(self, authority: str, path: str) -> bool:
        """
        Return whether a pattern matches an address.

        Args:
            authority: The request's Host header.
            path: The path as the visitor sees it, including the prefix under which the application is mounted.
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
