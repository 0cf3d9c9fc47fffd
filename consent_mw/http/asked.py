"""
The decision of a request as the application's views see it: it is made when a view first asks, not before.

Most views never ask. The response of a view that asked may depend on the visitor, so the question is recorded, and
caches are kept from serving the response to somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consent_mw.core.model import Decision

__all__ = ["AskedDecision", "Passage"]


class Passage:
    """
    Marks a request, in its environ or scope, as one whose response already goes through an exchange.

    A second wrapper around the same application leaves such a request alone: the outer one has decided, and the markup
    that it reads must not have been held already. The mark is closed once the outer wrapper has sent the response. A
    server or middleware may then reuse a copy of the environ to ask for an error page or for a part of a page.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True

    @classmethod
    def is_open(cls, found: object) -> bool:
        """Return whether the value found in an environ or scope is the mark of an exchange in progress."""
        return isinstance(found, cls) and found.open


class AskedDecision:
    """
    A lazy proxy for a :class:`Decision`; ``isinstance`` takes it for one.

    Args:
        ask: Returns the decision; called on every access.
    """

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], Decision]) -> None:
        self._ask = ask

    @property  # type: ignore[misc]  # as unittest.mock and Werkzeug's proxies do it
    def __class__(self) -> type[Decision]:  # type: ignore[override]
        return Decision

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ask(), name)

    def __eq__(self, other: object) -> bool:
        theirs = other._ask() if type(other) is AskedDecision else other
        return self._ask() == theirs

    def __hash__(self) -> int:
        return hash(self._ask())

    def __repr__(self) -> str:
        return repr(self._ask())
