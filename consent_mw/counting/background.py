"""
Provider lookups in the background: no visitor waits for one, and the IP address is dropped when it ends.

An address is in memory only, from the request until its look-up ends. Nothing is cached by address, and no log
message names one. If too many look-ups are queued, or one fails, the provider is unknown.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC
from abc import abstractmethod
from collections import deque
from collections.abc import Callable

from consent_mw.core.counts import UNKNOWN

__all__ = ["Background"]

_log = logging.getLogger("consent_mw")

#: Most queued lookups; beyond these a provider is unknown.
WAITING = 256


class _Job:
    """One lookup; its IP address is removed when it ends."""

    __slots__ = ("address", "done")

    def __init__(self, address: str, done: Callable[[str], None]) -> None:
        self.address = address
        self.done = done


class Background(ABC):
    """
    Look-ups by daemon threads, which start with the first look-up of each process.

    A forked child starts with an empty queue; its parent keeps the pending lookups.
    """

    #: How many lookups run at a time.
    threads = 1

    def __init__(self) -> None:
        self._begin()

    def _begin_in_child(self) -> None:
        # Servers in C may fork without Python's hooks, so check on every use.
        if self._process != os.getpid():
            self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._started = 0
        self._closed = False

    def find(self, address: str, done: Callable[[str], None]) -> None:
        """Look the address up in the background (:meth:`IspLookup.find`)."""
        self._begin_in_child()
        with self._changed:
            wanted = not self._closed and len(self._waiting) < WAITING
            if wanted:
                self._waiting.append(_Job(address, done))
                self._changed.notify()
                wanted = self._started >= self.threads or self._start()
        if not wanted:
            _tell(done, UNKNOWN)

    def _start(self) -> bool:
        """Start one more thread; return False if there is no thread and none can be started."""
        try:
            threading.Thread(target=self._work, name="consent_mw-isp", daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down, or the limit of threads is reached
            if not self._started:
                self._waiting.pop()
                return False
            return True
        self._started += 1
        return True

    def drain(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until all lookups are done; return whether they are."""
        self._begin_in_child()
        until = time.monotonic() + seconds
        with self._changed:
            while (self._waiting or self._running) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._waiting and not self._running

    def close(self, grace: float = 0.0) -> None:
        """Wait up to ``grace`` seconds, then report UNKNOWN for all pending lookups."""
        self.drain(grace)
        with self._changed:
            self._closed = True
            late = [*self._waiting, *self._running]
            self._waiting.clear()
            self._running.clear()
            self._changed.notify_all()
        for job in late:
            _tell(job.done, UNKNOWN)

    def _work(self) -> None:
        changed = self._changed
        while True:
            with changed:
                while not self._waiting and not self._closed:
                    changed.wait()
                if self._closed:
                    return
                job = self._waiting.popleft()
                self._running.add(job)
            found = self._found(job)
            with changed:
                # close() has already reported this one.
                mine = job in self._running
                if mine:
                    _tell(job.done, found)
                self._running.discard(job)
                changed.notify_all()
            # A waiting thread would keep the address alive.
            del job

    def _found(self, job: _Job) -> str:
        address, job.address = job.address, ""
        try:
            return self._resolve(address) or UNKNOWN
        except Exception as error:
            # The error message may contain the address, so log only its type.
            _log.debug("a provider could not be looked up: %s", type(error).__name__)
            return UNKNOWN

    @abstractmethod
    def _resolve(self, address: str) -> str:
        """Return the provider of a public address, or an empty text; may raise anything."""


def _tell(done: Callable[[str], None], provider: str) -> None:
    try:
        done(provider)
    except Exception as error:
        _log.error("a provider could not be counted: %s", type(error).__name__)
