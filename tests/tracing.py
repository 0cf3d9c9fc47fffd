"""
Decides which runs of a test are traced for coverage, because tracing more than doubles the time of a test.

A test often runs many times, with other parameters or with other examples of Hypothesis, and most runs take the same
paths through the code. A run is traced as long as one of the last few traced runs took a new path, and after that
every few runs, so that a path that is first taken late is found all the same. Hypothesis itself is not traced, since
only the test that it calls runs the code. In the rooms listed here, each process traces only the first few cases of a
test function. Long tests of code that shorter ones cover are not traced.

So a line that counts as covered has been run, but a line that only an untraced run reaches counts as missing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from collections.abc import Generator
from typing import TYPE_CHECKING
from typing import Any

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

#: Number of traced runs in a row without a new path, after which only some runs are traced.
PATIENCE = 20
#: One in so many cases of a test function is traced then, and one in so many examples of Hypothesis.
CASES, EXAMPLES = 3, 8
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
#: Long tests of paths that others in their rooms cover too: memory, sizes, and validators over every vector.
UNTRACED = (
    "tests/edges/test_validators.py::test_what_a_wsgi_server_gets_keeps_to_the_protocol",
    "tests/edges/test_validators.py::test_what_an_asgi_server_gets_keeps_to_the_protocol",
    "tests/proof/test_export.py::test_memory_does_not_grow_with_the_ledger",
    "tests/proof/test_sealing.py::test_memory_does_not_grow_with_the_ledger",
    "tests/stats/test_claim.py",
    "tests/stats/test_whole.py::test_figures_do_not_grow_with_answers",
)


class Runs:
    """
    The runs of one test so far, which decide whether the next one is traced.

    Args:
        sample: One in so many is traced once they take no new paths.
    """

    def __init__(self, sample: int) -> None:
        self.number = 0
        self._sample = sample
        self._idle = 0

    def wants_trace(self) -> bool:
        """Count a run; return whether it should be traced."""
        self.number += 1
        return self._idle < PATIENCE or self.number % self._sample == 0

    def traced(self, *, is_new: bool) -> None:
        """Note whether a traced run took a path that no test of this process had taken."""
        self._idle = 0 if is_new else self._idle + 1


def paths(tracer: Coverage) -> int:
    """Return the number of different steps from line to line that were traced so far in this process."""
    collector = tracer._collector  # coverage has no public way to ask that does not write the data to a file first
    return sum(map(len, list(collector.data.values()))) if collector is not None else 0


class ChosenRuns:
    """The plugin that suspends tracing."""

    def __init__(self) -> None:
        self._runs: dict[str, Runs] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test with its fixtures, traced or not."""
        coverage = sys.modules.get("coverage")
        tracer = coverage.Coverage.current() if coverage is not None else None
        if tracer is None:
            return (yield)
        function = item.nodeid.partition("[")[0]
        runs = self._runs.setdefault(function, Runs(CASES))
        wanted = runs.wants_trace() and not function.startswith(UNTRACED)
        if not wanted or (runs.number > TRACED and function.startswith(ROOMS)):
            tracer.stop()
            try:
                return (yield)
            finally:
                tracer.start()
        before = paths(tracer)
        try:
            return (yield)
        finally:
            runs.traced(is_new=paths(tracer) != before)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Call a test; if Hypothesis calls it with examples, trace it there."""
        coverage = sys.modules.get("coverage")
        tracer = coverage.Coverage.current() if coverage is not None else None
        handle = getattr(pyfuncitem.obj, "hypothesis", None)
        if tracer is None or handle is None:
            return (yield)
        inner = handle.inner_test
        tracer.stop()
        handle.inner_test = traced_at_times(inner, tracer)
        try:
            return (yield)
        finally:
            handle.inner_test = inner
            tracer.start()


def traced_at_times(test: Callable[..., Any], tracer: Coverage) -> Callable[..., Any]:
    """Return the test that Hypothesis calls with each example, some of whose runs are traced."""
    runs = Runs(EXAMPLES)

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not runs.wants_trace():
            return test(*args, **kwargs)
        before = paths(tracer)
        tracer.start()
        try:
            return test(*args, **kwargs)
        finally:
            tracer.stop()
            runs.traced(is_new=paths(tracer) != before)

    return run
