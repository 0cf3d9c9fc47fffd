"""A response that goes out unchanged while the effect of an ordinary exchange is recorded."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TypeVar

from consent_mw.http.headers import Handling
from consent_mw.http.observed import Observation
from consent_mw.http.observed import Observer
from consent_mw.http.request import RequestHead
from consent_mw.http.untouched import UntouchedExchange
from consent_mw.http.view import View

__all__ = ["ShadowExchange"]

T = TypeVar("T")


class ShadowExchange(UntouchedExchange):
    """
    An exchange that changes nothing and records what an ordinary one would have changed.

    The edge feeds it the body of a page as usual and gets the same bytes back at once. An error while observing ends
    the observation, not the response.

    Args:
        head: The request.
        view: The visitor's view of the page.
        observe: Creates the observer of one response.
        tell: Called once with the observation when the response is over.
    """

    def __init__(
        self, head: RequestHead, view: View, observe: Callable[[], Observer], tell: Callable[[Observation], object]
    ) -> None:
        super().__init__(head, view)
        self._observe = observe
        self._tell = tell
        self._observer: Observer | None = None

    @property
    def passes(self) -> bool:
        """Whether the edge may pass the body on without feeding it, because nothing observes it."""
        return super().passes and self._observer is None

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """Take the head of the application's response; the body of a page is observed but not changed."""
        super().start(status, reason, headers)
        self._observer = None
        handling = Handling.PASS
        if status == 200 and self.head.method == "GET":  # noqa: PLR2004 -- what visitors see of a site
            handling = self._watched(lambda observer: observer.start(status, reason, headers)) or Handling.PASS
        if handling is Handling.PASS:
            self._end()
            return handling
        return Handling.REWRITE

    def feed(self, chunk: bytes) -> bytes:
        """Return a piece of the body unchanged."""
        out = super().feed(chunk)
        if self._observer is not None:
            self._watched(lambda observer: observer.feed(chunk))
        return out

    def finish(self) -> bytes:
        """Return nothing: everything was sent."""
        out = super().finish()
        if self._observer is not None:
            self._watched(lambda observer: observer.finish())
        self._end()
        return out

    def abandon(self) -> None:
        """Note that the application failed or the visitor left."""
        super().abandon()
        self._end()

    def _watched(self, step: Callable[[Observer], T]) -> T | None:
        try:
            if self._observer is None:
                self._observer = self._observe()
            return step(self._observer)
        except Exception as error:  # observing must never affect the response
            self._observer = None
            self.view.failed("what would be held could not be found out.", error)
            return None

    def _end(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            self._tell(observer.so_far())
