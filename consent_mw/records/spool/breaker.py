"""
A circuit breaker: keeps callers from waiting for a store that does not answer.

A :class:`Breaker` is closed while the store works. A failure opens it: during a cool-down every call fails immediately.
After the cool-down one call may try while the others still fail. A success closes the breaker; each further failure
doubles the cool-down, up to a limit.

A frozen store fails only when its own timeout ends. So :meth:`Breaker.soon` runs the call in its own thread and waits
only a few hundredths of a second. While such a call is pending, it starts no other.

Limits: each process has its own state; a forked process inherits that of its parent.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

from consent_mw.errors import ConsentError
from consent_mw.errors import RecordsError

__all__ = ["Breaker", "Unavailable"]

T = TypeVar("T")

#: The first cool-down, and the longest, in seconds.
PAUSE = 1.0
LONGEST_PAUSE = 4.0
#: Most threads of a process that wait for the store.
THREADS = 32


class Unavailable(RecordsError):
    """The store was not called, or did not answer in time and may or may not have done the work."""


class Breaker:
    """
    Guards calls that may fail; threads and forked processes may share it.

    Args:
        changed: Called with the error when the breaker opens, and with None when it closes again.
        clock: Monotonic seconds.
    """

    def __init__(
        self, changed: Callable[[Exception | None], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._state = _BreakerState()

    @property
    def closed(self) -> bool:
        """Whether calls are let through, as far as this process knows."""
        return self._mine().pause == 0

    @property
    def late(self) -> bool:
        """Whether a call is pending whose caller has stopped waiting."""
        return bool(self._mine().late)

    def call(self, what: Callable[[], T]) -> T:
        """
        Call ``what`` and wait for it.

        Raises:
            Unavailable: if the breaker is open and ``what`` was not called.
            RecordsError: ``what`` failed, with any kind of error.
        """
        state = self._mine()
        trying = self._enter(state)
        return self._entered(state, what, trying)

    def soon(self, what: Callable[[], T], patience: float) -> T:
        """
        Call ``what``, and wait no longer than ``patience`` seconds for it.

        Raises:
            Unavailable: if the breaker is open, an earlier call is late, or this one is; a late call goes on in its
                thread.
            RecordsError: ``what`` failed, with any kind of error.
        """
        state = self._mine()
        if state.late:
            raise Unavailable("The records are slow to answer.")
        trying = self._enter(state)
        attempt = _Attempt(lambda: self._entered(state, what, trying))
        if not state.start(attempt):
            self._leave(state, trying)
            raise Unavailable("Too many calls are waiting for the records.")
        if not attempt.done.wait(patience) and state.give_up(attempt):
            raise Unavailable("The records are slow to answer.")
        return attempt.result()

    def _mine(self) -> _BreakerState:
        """Return the state of this process: a forked process inherits the cool-down, but not locks and threads."""
        state = self._state
        if state.process != os.getpid():
            state = self._state = _BreakerState(state.pause, state.until, state.why)
        return state

    def _enter(self, state: _BreakerState) -> bool:
        """Admit the caller, or raise; return whether it is the probe."""
        with state.lock:
            if not state.pause:
                return False
            if state.trying or self._clock() < state.until:
                raise Unavailable(f"The records could not be reached a moment ago.{state.why}")
            state.trying = True
            return True

    def _leave(self, state: _BreakerState, trying: bool) -> None:
        with state.lock:
            state.trying = state.trying and not trying

    def _entered(self, state: _BreakerState, what: Callable[[], T], trying: bool) -> T:
        try:
            answer = what()
        except Exception as error:
            with state.lock:
                opens = not state.pause
                # Calls that were admitted before the breaker opened, and fail now, add no information.
                if opens or trying:
                    state.pause = min(max(PAUSE, state.pause * 2), LONGEST_PAUSE)
                    state.until = self._clock() + state.pause
                    state.why = f" {error}" if isinstance(error, ConsentError) else ""
            self._leave(state, trying)
            if opens:
                self._changed(error)
            if isinstance(error, ConsentError):
                raise
            raise RecordsError(f"The records failed: {type(error).__name__}.") from error
        except BaseException:
            self._leave(state, trying)
            raise
        with state.lock:
            closes, state.pause = bool(state.pause), 0.0
        self._leave(state, trying)
        if closes:
            self._changed(None)
        return answer


class _Attempt(Generic[T]):
    """One call in its own thread."""

    def __init__(self, what: Callable[[], T]) -> None:
        self.done = threading.Event()
        #: Set under the lock of the state when the caller stops waiting.
        self.late = False
        self._what = what
        self._answer: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._answer.append(self._what())
        except BaseException as error:  # raised in the caller, by result()
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer[0]


class _BreakerState:
    """The state of one process, and its threads."""

    def __init__(self, pause: float = 0.0, until: float = 0.0, why: str = "") -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        #: The last cool-down in seconds; 0 while the breaker is closed.
        self.pause = pause
        self.until = until
        #: Why the last call failed, after a space.
        self.why = why
        self.trying = False
        #: Pending calls whose callers have stopped waiting.
        self.late = 0
        self._idle = 0
        self._threads = 0
        # Resolved at run time: gevent and eventlet replace it after the module was loaded (gunicorn --preload).
        self._queue: queue.Queue[_Attempt[object]] = queue.Queue()

    def start(self, attempt: _Attempt[T]) -> bool:
        """Run the attempt in an idle thread or a new one; return False if there are too many."""
        with self.lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < THREADS:
                # A daemon, since a call that is pending at exit has timed out, and its entry is in the spool.
                threading.Thread(target=self._work, name="consent_mw-records", daemon=True).start()
                self._threads += 1
            else:
                return False
        self._queue.put(attempt)  # type: ignore[arg-type]  # a queue of attempts of any kind
        return True

    def give_up(self, attempt: _Attempt[T]) -> bool:
        """Mark the attempt as late; return False if it has finished after all."""
        with self.lock:
            if attempt.done.is_set():
                return False
            attempt.late = True
            self.late += 1
            return True

    def _work(self) -> None:
        while True:
            attempt = self._queue.get()
            attempt.run()
            with self.lock:
                attempt.done.set()
                self.late -= attempt.late
                self._idle += 1
