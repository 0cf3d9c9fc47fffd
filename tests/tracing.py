"""
Decides which runs of a test are traced for coverage, because tracing more than doubles the time of a test.

A test often runs many times, with other parameters or with other examples of Hypothesis, and most runs take the same
paths through the code. A run is traced as long as one of the last few traced runs took a new path, and these took less
than half a second of processor time. After that every few runs are traced, so that a path that is first taken late is
found all the same. A single run may repeat itself, too: in rooms that only compute, a timer stops the tracing of a run
that has taken no new path for half a second. Hypothesis itself is not traced, since only the test that it calls runs
the code. In the rooms listed here, each process traces only the first few cases of a test function. Long tests of code
that shorter ones cover are not traced.

So a line that counts as covered has been run, but a line that only an untraced run reaches counts as missing.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

#: Number of traced runs in a row without a new path, after which only some runs are traced.
PATIENCE = 20
#: The same in seconds of processor time. Coverage of a slow test may differ by a few lines from run to run.
SECONDS = 0.5
#: One in so many cases of a test function, and of the examples of Hypothesis, is traced then.
SAMPLE = 8
#: Rooms in which a timer may interrupt a test, as they use no servers: clients in C may give up when interrupted.
COMPUTING = (
    "tests/attacks/",
    "tests/catalogue/",
    "tests/config/",
    "tests/core/",
    "tests/engine/",
    "tests/html/",
    "tests/http/",
    "tests/notice/",
)
#: Number of cases of a test function in these rooms that each process traces.
TRACED = 5
ROOMS = (
    "tests/attacks/test_costs.py",
    "tests/browser/",
    "tests/catalogue/test_catalogue.py",
    "tests/corpus/",
    "tests/edges/test_contract.py",
    "tests/edges/servers/",
    "tests/field/",
    "tests/house/",
    "tests/html/test_scan.py",
    "tests/notice/test_languages.py",
)
#: Long tests of paths that others in their rooms cover too (memory, sizes, and validators over every vector), and tests
#: that read the code and do not run it.
UNTRACED = (
    "tests/edges/test_validators.py::test_what_a_wsgi_server_gets_keeps_to_the_protocol",
    "tests/edges/test_validators.py::test_what_an_asgi_server_gets_keeps_to_the_protocol",
    "tests/proof/test_export.py::test_memory_does_not_grow_with_the_ledger",
    "tests/proof/test_sealing.py::test_memory_does_not_grow_with_the_ledger",
    "tests/house/test_architecture.py",
    "tests/stats/test_claim.py",
    "tests/stats/test_whole.py::test_figures_do_not_grow_with_answers",
)


class Runs:
    """The runs of one test so far, which decide whether the next one is traced."""

    def __init__(self) -> None:
        self.number = 0
        self._idle = 0
        self._seconds = 0.0

    def wants_trace(self) -> bool:
        """Count a run; return whether it should be traced."""
        self.number += 1
        return (self._idle < PATIENCE and self._seconds < SECONDS) or self.number % SAMPLE == 0

    def traced(self, *, is_new: bool, seconds: float) -> None:
        """Note whether a traced run took a path that no test of this process had taken, and its processor time."""
        self._idle = 0 if is_new else self._idle + 1
        self._seconds = 0.0 if is_new else self._seconds + seconds


def paths(tracer: Coverage) -> int:
    """Return the number of different steps from line to line that were traced so far in this process."""
    collector = tracer._collector  # coverage has no public way to ask that does not write the data to a file first
    return sum(map(len, list(collector.data.values()))) if collector is not None else 0


class Watch:
    """
    Switches the tracer for runs of tests, and off in the middle of a run that takes no new paths.

    Args:
        tracer: The tracer, which is running.
    """

    def __init__(self, tracer: Coverage) -> None:
        self._tracer = tracer
        self._running = True
        self._timed = False
        self._known = 0
        signal.signal(signal.SIGVTALRM, self._look)

    @contextlib.contextmanager
    def over(self, runs: Runs, *, timed: bool = False) -> Iterator[None]:
        """Trace a run and note what it found; if it is ``timed``, trace it only as long as it takes new paths."""
        was_running = self._running
        before = self._known = paths(self._tracer)
        begun = time.process_time()
        self._switch(True)
        if timed:
            self._timed = True
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)
        try:
            yield
        finally:
            if timed:
                self._timed = False
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._switch(was_running)
            runs.traced(is_new=paths(self._tracer) != before, seconds=time.process_time() - begun)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Trace nothing, also within a run that is traced."""
        was_running = self._running
        self._switch(False)
        try:
            yield
        finally:
            self._switch(was_running)

    def _switch(self, running: bool) -> None:
        if running != self._running:
            self._running = running
            (self._tracer.start if running else self._tracer.stop)()

    def _look(self, *_: object) -> None:
        """Stop if there was no new path since the timer expired last."""
        known, self._known = self._known, paths(self._tracer)
        if self._timed and known == self._known:
            self._switch(False)


class ChosenRuns:
    """The plugin that suspends tracing."""

    def __init__(self) -> None:
        self._runs: dict[str, Runs] = {}
        self._watch: Watch | None = None

    def _watching(self) -> Watch | None:
        """Return what traces, or None if nothing is traced now."""
        coverage = sys.modules.get("coverage")
        tracer = coverage.Coverage.current() if coverage is not None else None
        if tracer is None:
            return None
        self._watch = self._watch or Watch(tracer)
        return self._watch

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test with its fixtures, traced or not."""
        watch = self._watching()
        if watch is None:
            return (yield)
        function = item.nodeid.partition("[")[0]
        runs = self._runs.setdefault(function, Runs())
        wanted = runs.wants_trace() and not function.startswith(UNTRACED)
        if not wanted or (runs.number > TRACED and function.startswith(ROOMS)):
            with watch.paused():
                return (yield)
        with watch.over(runs, timed=function.startswith(COMPUTING)):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Call a test; if Hypothesis calls it with examples, trace it there."""
        watch = self._watching()
        handle = getattr(pyfuncitem.obj, "hypothesis", None)
        if watch is None or handle is None:
            return (yield)
        inner = handle.inner_test
        with watch.paused():
            handle.inner_test = traced_at_times(inner, watch)
            try:
                return (yield)
            finally:
                handle.inner_test = inner


def traced_at_times(test: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    """Return the test that Hypothesis calls with each example, some of whose runs are traced."""
    runs = Runs()

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not runs.wants_trace():
            return test(*args, **kwargs)
        with watch.over(runs):
            return test(*args, **kwargs)

    return run
