"""
The background tasks: write counts, seal, publish and purge records, replay the spool.

Each process that serves the site runs them in one daemon thread, which its first request starts, so that a server may
load the site before it forks. Tasks whose work must not be lost run once more when the process exits normally. No
request waits for a task, unless it asks to, and then for a bounded time; if a task hangs, only the first waits.
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

#: Randomises the pauses; the random module's shared generator belongs to the application.
_chance = random.SystemRandom()

#: Seconds that an exiting process waits for a running task.
_LAST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """
    A recurring task.

    Args:
        name: Its name in the log.
        run: The work; an exception is logged, once until it succeeds again.
        least: The shortest pause between two runs, in seconds.
        most: The longest pause; pauses are random, so that processes do not coincide.
        first: Seconds before the first run.
        last: Whether to run it when the process ends.
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
        tasks: The tasks, in the order in which they run if several are due.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, tasks: Sequence[Task] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._clock = clock
        self._thread: threading.Thread | None = None
        #: Whether this process runs the tasks, so that :meth:`start` has nothing to do.
        self.started = False
        self._ended = False
        self._reset()
        _all.add(self)

    def add(self, task: Task) -> None:
        """Add a task; only before the first request."""
        self._tasks[task.name] = task
        self._due[task.name] = self._clock() + task.first

    def start(self) -> None:
        """Make sure that this process runs the tasks; cheap enough for every request."""
        if self._thread is None:
            with self._lock:
                thread = self._made_thread()
            # Outside the lock: a greenlet runs immediately, and would wait for the lock that we hold.
            if thread is not None:
                thread.start()
                _hear_the_end()

    def hurry(self, name: str, wait: float) -> bool:
        """
        Run a task now, wait for it up to ``wait`` seconds, and return whether it finished.

        The time counts from the oldest call that the task has yet to serve. So only the first caller waits for a task
        that hangs: if each did, they would occupy the threads that should serve pages.
        """
        self.start()
        done = threading.Event()
        with self._lock:
            if self._ended:
                return False
            now = self._clock()
            left = self._asked.setdefault(name, now) + wait - now
            waiting = self._hurried.setdefault(name, [])
            if left > 0:
                waiting.append(done)
        self._wake.set()
        return left > 0 and done.wait(left)

    def end(self) -> None:
        """Run, for the last time, the tasks whose results must not be lost; a second call does nothing."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._wake.set()
        self.settle()

    def settle(self) -> None:
        """Run the tasks whose results must not be lost. The process may go on, or be killed without notice."""
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
        """Run the due tasks, and return the seconds until the next one is due; for the thread and for tests."""
        with self._busy:
            for task in self._tasks.values():
                with self._lock:
                    if self._ended:
                        return 0.0
                    waiting = self._hurried.pop(task.name, None)
                if waiting is not None or self._clock() >= self._due[task.name]:
                    self._do(task.name, task.run)
                    self._due[task.name] = self._clock() + _chance.uniform(task.least, task.most)
                if waiting is not None:
                    self._tell(task.name, waiting)
            return max(0.0, min(self._due.values(), default=60.0) - self._clock())

    # -- the parts

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._busy = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        self.started = False
        self._ended = False
        self._hurried: dict[str, list[threading.Event]] = {}
        #: When the oldest call that a task has yet to serve was made, by the clock.
        self._asked: dict[str, float] = {}
        self._failing: set[str] = set()
        self._due = {name: self._clock() + task.first for name, task in self._tasks.items()}

    def _made_thread(self) -> threading.Thread | None:
        """Return a new thread to start; None if there is one already, or none is wanted."""
        if self._thread is not None or self._ended:
            return None
        # Created here, by the first request: a server may load the site, fork, and only then replace threads by
        # greenlets (gunicorn with gevent or eventlet, and --preload). An earlier thread would block all of them.
        self._busy = threading.Lock()
        self._wake = threading.Event()
        # The thread holds only a weak reference, which wakes it, so that it ends with a site that is no longer used.
        wake = self._wake
        here = weakref.ref(self, lambda _: wake.set())
        thread = threading.Thread(target=_work, args=(here, wake), name="consent_mw", daemon=True)
        self._thread = thread
        self.started = True
        return thread

    def _tell(self, name: str, waiting: list[threading.Event]) -> None:
        """Tell those who wait for a task that it has run."""
        with self._lock:
            if name in self._hurried:
                self._asked[name] = self._clock()
            else:
                del self._asked[name]
        for done in waiting:
            done.set()

    def _do(self, name: str, run: Callable[[], object]) -> None:
        try:
            run()
        except Exception as error:  # one failure must not stop the other tasks
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
    """Register for the exit of processes forked by multiprocessing (Granian's workers), which skip exit handlers."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _end_all, exitpriority=0)


def _forget_parent() -> None:
    """Reset the state in a forked child: the parent's threads are gone, and may have held locks."""
    for upkeep in list(_all):
        upkeep._reset()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
