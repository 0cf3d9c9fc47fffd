"""
The decision for a request as the application's views see it, made when a view first asks for it.

Most views never ask. The response of a view that asked may depend on the visitor, so the question is recorded, and
caches are kept from serving the response to somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import MutableMapping
from contextvars import ContextVar
from contextvars import Token
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from consent_mw.core.choice import Decision

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["AskedDecision", "Asker", "Passage"]


#: The passage in which the current code runs.
_running: ContextVar[Passage | None] = ContextVar("consent_mw.passage", default=None)


class Passage:
    """
    Marks a request as one whose response goes through an exchange.

    A request within it must be left alone: its response becomes a part of the outer one, which is held and gets the
    notice as a whole. There are two such requests. A second wrapper around the same application finds the mark in the
    environ or scope. A request that a view makes itself (a test client, a preview) has an environ of its own, and finds
    the mark in the context in which the application runs.

    The mark is closed once the response is complete. A server or middleware may then reuse a copy of the environ to ask
    for an error page or for a part of a page.

    Args:
        marks: What the application finds in the environ or scope of the outer request.
    """

    __slots__ = ("marks", "open")

    #: The key of the mark in an environ or scope.
    KEY = "consent_mw.passage"

    def __init__(self, marks: Mapping[str, object]) -> None:
        self.marks = marks
        self.open = True

    @classmethod
    def around(cls, carrier: MutableMapping[str, Any]) -> Passage | None:
        """
        Return the passage that a request is within, and copy its marks into the request; None if it is in no passage.

        Args:
            carrier: The environ or scope of the request.
        """
        for found in (carrier.get(cls.KEY), _running.get()):
            if isinstance(found, cls) and found.open:
                carrier.update(found.marks)
                return found
        return None

    def enter(self) -> Token[Passage | None]:
        """Run the application from here on, until :meth:`leave`."""
        return _running.set(self)

    #: Ends what :meth:`enter` began, in the same context.
    leave = staticmethod(_running.reset)

    def __deepcopy__(self, memo: object) -> Passage:
        """Return the same passage: a copy of the environ or scope is still within it."""
        return self


class Asker(NamedTuple):
    """The request whose view asks, as a search for caches around the view needs it."""

    #: The identifier of the thread in which the edge calls the application.
    thread: int
    #: The task in which it does so, or None outside of an event loop.
    task: Task[Any] | None = None
    #: Tells from the local variables of a function whether it handles this request. Needed only with a task.
    owns: Callable[[Mapping[str, Any]], bool] | None = None


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
