"""
A circuit breaker: keeps callers from waiting for a store that does not answer.

A :class:`Breaker` is closed while the store works. A failure opens it: during a cool-down every call fails at once.
After the cool-down one call may try while the others go on failing. A success closes the breaker; each further failure
doubles the cool-down, up to a bound.

A frozen store fails only when its own timeout ends. :meth:`Breaker.soon` therefore waits a few hundredths of a second
and leaves the call to a thread of its own. While such a call is out, it starts no other.

Limits: the state is that of one process, and of processes forked from it later.
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

#: Cool-down in seconds after the first failure, and at most.
PAUSE = 1.0
LONGEST_PAUSE = 10.0
#: Most threads of a process that wait for the store.
THREADS = 32


class Unavailable(RecordsError):
    """The store was not asked, or has not answered in time. It may or may not have done what it was asked to."""


class Breaker:
    """
    Lets calls through to something that may fail; threads and forked processes may share it.

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

    def call(self, what: Callable[[], T]) -> T:
        """
        Call ``what`` and wait for it.

        Raises:
            Unavailable: the breaker is open, and ``what`` was not called.
            RecordsError: ``what`` failed, with whatever error that is not ours.
        """
        state = self._mine()
        trying = self._enter(state)
        return self._entered(state, what, trying)

    def soon(self, what: Callable[[], T], patience: float) -> T:
        """
        Call ``what``, and wait no longer than ``patience`` seconds for it.

        Raises:
            Unavailable: the breaker is open, an earlier call is late, or this one is: then it goes on by itself.
            RecordsError: ``what`` failed, with whatever error that is not ours.
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
        """Return the state of this process: what is known comes across a fork, locks and threads do not."""
        state = self._state
        if state.process != os.getpid():
            state = self._state = _BreakerState(state.pause, state.until)
        return state

    def _enter(self, state: _BreakerState) -> bool:
        """Let the caller in, or raise; return whether it is the one that may try."""
        with state.lock:
            if not state.pause:
                return False
            if state.trying or self._clock() < state.until:
                raise Unavailable("The records could not be reached a moment ago.")
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
                # Those that were let in before it opened, and fail now, say nothing new.
                if opens or trying:
                    state.pause = min(max(PAUSE, state.pause * 2), LONGEST_PAUSE)
                    state.until = self._clock() + state.pause
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
    """One call in a thread of its own."""

    def __init__(self, what: Callable[[], T]) -> None:
        self.done = threading.Event()
        #: Set, under the lock of the state, by who gave up waiting.
        self.late = False
        self._what = what
        self._answer: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._answer.append(self._what())
        except BaseException as error:  # belongs to whoever waits for it
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer[0]


class _BreakerState:
    """What one process knows, and its threads."""

    def __init__(self, pause: float = 0.0, until: float = 0.0) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        #: Seconds for which the breaker was opened last; 0 while it is closed.
        self.pause = pause
        self.until = until
        self.trying = False
        #: Calls that nobody waits for any more.
        self.late = 0
        self._idle = 0
        self._threads = 0
        # Looked up now: gevent and eventlet replace it after the module was loaded (gunicorn --preload).
        self._queue: queue.Queue[_Attempt[object]] = queue.Queue()

    def start(self, attempt: _Attempt[T]) -> bool:
        """Run the attempt in an idle thread or a new one; return False where there are too many."""
        with self.lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < THREADS:
                # Nobody waits for it at exit: whatever is out then has been given up, and kept elsewhere.
                threading.Thread(target=self._work, name="consent_mw-records", daemon=True).start()
                self._threads += 1
            else:
                return False
        self._queue.put(attempt)  # type: ignore[arg-type]  # a queue of attempts of any kind
        return True

    def give_up(self, attempt: _Attempt[T]) -> bool:
        """Note that nobody waits for the attempt; return False where it is done after all."""
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
