"""A response that goes out as the application sent it, while what would become of it is found out beside."""

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
    An exchange that changes nothing and watches what an ordinary one would have changed.

    The edge hands over the body of a page, as it does where pages are rewritten, and gets the same bytes back at once.
    Whatever goes wrong while watching ends the watching and nothing else.

    Args:
        head: The request.
        view: What the site makes of it.
        observe: Makes what watches one response.
        tell: Hears what would have become of it, once, when it is over.
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
        """Whether the edge may hand the body on without showing it: nobody watches it."""
        return super().passes and self._observer is None

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """Take the head of the app's response; a page's body is asked for, and nothing is done to it."""
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
        """Return a piece of the body as it is."""
        out = super().feed(chunk)
        if self._observer is not None:
            self._watched(lambda observer: observer.feed(chunk))
        return out

    def finish(self) -> bytes:
        """Return nothing: all was sent."""
        out = super().finish()
        if self._observer is not None:
            self._watched(lambda observer: observer.finish())
        self._end()
        return out

    def abandon(self) -> None:
        """Note that the app failed or the visitor left."""
        super().abandon()
        self._end()

    def _watched(self, step: Callable[[Observer], T]) -> T | None:
        try:
            if self._observer is None:
                self._observer = self._observe()
            return step(self._observer)
        except Exception as error:  # the response goes out whatever watching it does
            self._observer = None
            self.view.failed("what would be held could not be found out.", error)
            return None

    def _end(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            self._tell(observer.so_far())
