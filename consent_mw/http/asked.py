"""
The decision of a request as a view of the application holds it: decided when the view asks, and not before.

Most views never ask. What one that did answers may depend on the visitor, so asking is heard: the response is then kept
from caches that would hand it to somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consent_mw.core.model import Decision

__all__ = ["AskedDecision", "Passage"]


class Passage:
    """
    Says, in the environ or the scope of a request, that its response goes through an exchange.

    A second wrapper of the same application then leaves it alone: the first one has decided, and what it reads must
    not be held already. Once the first has let go of the response, a request with the same environ is another one: a
    server or a wrapper in front asks for an error page, or for a part of a page, with a copy of what it was given.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True

    @classmethod
    def is_open(cls, found: object) -> bool:
        """Return whether what stands in an environ or a scope is a passage that is under way."""
        return isinstance(found, cls) and found.open


class AskedDecision:
    """
    Stands for a :class:`Decision`, and is one to ``isinstance``.

    Args:
        ask: Gives the decision; called for each question.
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
