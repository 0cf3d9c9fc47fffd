"""
What is done beside the requests: counts are written, records sealed, published and purged, the spool replayed.

Each process that serves the site has one daemon thread for it, started by
its first request, so that a server may load the site before it forks. What
must not be lost is done once more when the process ends in good order. No
request waits for any of it, except for a bounded moment where it asks to.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Task", "Upkeep"]

_log = logging.getLogger("consent_mw")

#: Keeps processes apart; not the module's own generator, which belongs to the site.
_chance = random.SystemRandom()

#: Seconds that the end of a process waits for a task that is under way.
_LAST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """
    Something to do again and again.

    Args:
        name: For the log.
        run: Does it; what it raises is logged, once until it works again.
        least: The shortest pause before it is done again, in seconds.
        most: The longest pause; the pauses are random, so that processes do not meet.
        first: Seconds before it is done for the first time.
        last: Done when the process ends.
    """

    name: str
    run: Callable[[], object]
    least: float
    most: float
    first: float = 0.0
    last: Callable[[], object] | None = None


class Upkeep:
    """
    The tasks of one site in one process.

    Args:
        tasks: In the order in which they are done where several are due.
        clock: Seconds that never go back.
    """

    def __init__(self, tasks: Sequence[Task] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._ended = False
        self._reset()
        _all.add(self)

    def add(self, task: Task) -> None:
        """Take up another task, before the first request."""
        self._tasks[task.name] = task
        self._due[task.name] = self._clock() + task.first

    def start(self) -> None:
        """See to it that this process does the tasks; cheap enough for every request."""
        if self._thread is None:
            with self._lock:
                thread = self._made_thread()
            # Outside the lock: as a greenlet it runs at once, and would wait for the lock that we hold.
            if thread is not None:
                thread.start()
                _hear_the_end()

    def hurry(self, name: str, wait: float) -> bool:
        """Have a task done now, and wait up to ``wait`` seconds for it; return whether it was done by then."""
        self.start()
        done = threading.Event()
        with self._lock:
            if self._ended:
                return False
            self._hurried.setdefault(name, []).append(done)
        self._wake.set()
        return done.wait(wait)

    def end(self) -> None:
        """Do for the last time what must not be lost, and nothing after that; a second call does nothing."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._wake.set()
        self.settle()

    def settle(self) -> None:
        """Do now what must not be lost: the process may end without a further word, or go on."""
        if self._thread is None:
            return
        # A task that hangs must not keep the process from ending.
        free = self._busy.acquire(timeout=_LAST_WAIT)
        try:
            for task in self._tasks.values():
                if task.last is not None:
                    self._do(task.name, task.last)
        finally:
            if free:
                self._busy.release()

    def run_due(self) -> float:
        """Do what is due, and return the seconds until something is again; for the thread, and for tests."""
        with self._busy:
            for task in self._tasks.values():
                with self._lock:
                    if self._ended:
                        return 0.0
                    waiting = self._hurried.pop(task.name, [])
                if waiting or self._clock() >= self._due[task.name]:
                    self._do(task.name, task.run)
                    self._due[task.name] = self._clock() + _chance.uniform(task.least, task.most)
                for done in waiting:
                    done.set()
            return max(0.0, min(self._due.values(), default=60.0) - self._clock())

    # -- the parts

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        self._ended = False
        self._hurried: dict[str, list[threading.Event]] = {}
        self._failing: set[str] = set()
        self._due = {name: self._clock() + task.first for name, task in self._tasks.items()}

    def _made_thread(self) -> threading.Thread | None:
        """Return the thread of this process, to be started; None where there is one already, or none is wanted."""
        if self._thread is not None or self._ended:
            return None
        # Made here, by the first request: a server may load the site, fork, and only then put greenlets in the place
        # of threads (gunicorn with gevent or eventlet, and --preload). What was made before would block all of them.
        self._busy = threading.Lock()
        self._wake = threading.Event()
        # The thread has a weak reference only: a site that nobody uses any more takes its thread along.
        thread = threading.Thread(target=_work, args=(weakref.ref(self), self._wake), name="consent_mw", daemon=True)
        self._thread = thread
        return thread

    def _do(self, name: str, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as error:  # whatever it was, the other tasks go on
            if name not in self._failing:
                self._failing.add(name)
                _log.error("%s failed and is tried again: %s", name, error)
        else:
            if name in self._failing:
                self._failing.discard(name)
                _log.warning("%s works again", name)


def _work(found: weakref.ref[Upkeep], wake: threading.Event) -> None:
    while True:
        upkeep = found()
        if upkeep is None or upkeep._ended:
            return
        pause = upkeep.run_due()
        del upkeep
        wake.wait(pause)
        wake.clear()


_all: weakref.WeakSet[Upkeep] = weakref.WeakSet()


def _end_all() -> None:
    for upkeep in list(_all):
        upkeep.end()


def _hear_the_end() -> None:
    """Hear of the end where multiprocessing forked: its children run no exit handlers (Granian's workers)."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _end_all, exitpriority=0)


def _forget_parent() -> None:
    """Start afresh in the child of a fork: threads stay with the parent, and locks may be held by them."""
    for upkeep in list(_all):
        upkeep._reset()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
