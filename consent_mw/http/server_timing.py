"""
Our own share of the response time, for the owner and in the response (``Server-Timing``, W3C Server Timing).

It does not contain the application's time. The header does not contain work after the head was sent, such as the rest
of a streamed page.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

from consent_mw.http.exchange import Exchange
from consent_mw.http.headers import Handling
from consent_mw.http.headers import Headers
from consent_mw.http.request import RequestHead
from consent_mw.http.states import ExchangeState
from consent_mw.http.view import View


class MeasuredExchange(Exchange):
    """
    An exchange that measures itself.

    Args:
        clock: A monotonic clock, in seconds.
        note: Called once with the seconds that a page took, after all of it was rewritten.
    """

    def __init__(
        self, head: RequestHead, view: View, clock: Callable[[], float], note: Callable[[float], object]
    ) -> None:
        super().__init__(head, view)
        self._clock = clock
        self._note = note
        self._inside = False
        self._spent = 0.0

    def request_changes(self) -> dict[str, str | None]:
        """As without measuring."""
        with self._measured():
            return super().request_changes()

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """As without measuring."""
        with self._measured():
            return super().start(status, reason, headers)

    def feed(self, chunk: bytes) -> bytes:
        """As without measuring."""
        with self._measured():
            return super().feed(chunk)

    def finish(self) -> bytes:
        """As without measuring."""
        with self._measured():
            return super().finish()

    def whole(self, chunk: bytes, *, last: bool = False) -> bytes | None:
        """As without measuring."""
        with self._measured():
            return super().whole(chunk, last=last)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        if self._inside:  # one step calls another
            yield
            return
        self._inside = True
        was, begun = self.state, self._clock()
        try:
            yield
        finally:
            self._spent += self._clock() - begun
            self._inside = False
        if self._body is not None and was is not self.state is ExchangeState.DONE:
            self._note(self._spent)


class TimedExchange(MeasuredExchange):
    """
    A measured exchange that tells the browser.

    Args:
        begun: The clock when the request arrived; the work since then counts too.
    """

    def __init__(
        self,
        head: RequestHead,
        view: View,
        clock: Callable[[], float],
        note: Callable[[float], object],
        begun: float,
    ) -> None:
        super().__init__(head, view, clock, note)
        self._spent = clock() - begun

    def outgoing(self) -> Headers:
        """Return the headers to send, with the time spent so far."""
        return [*self.headers, ("Server-Timing", f"cmw;dur={self._spent * 1000:.2f}")]
