"""
Limits which tests are traced for coverage, because tracing more than doubles the time of a test.

All tests are traced, with two exceptions. In the rooms listed here, the cases of a test function take nearly the same
paths through the code, so each process traces only the first few. Long tests of code that shorter ones cover are not
traced. So a line that counts as covered has been run, but a line that only a later case reaches counts as missing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator

import pytest

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


class FirstCases:
    """The plugin that suspends tracing during a test."""

    def __init__(self) -> None:
        self._run: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test with its fixtures, traced or not."""
        function = item.nodeid.partition("[")[0]
        self._run[function] += 1
        coverage = sys.modules.get("coverage")
        rest = function.startswith(UNTRACED) or (self._run[function] > TRACED and function.startswith(ROOMS))
        tracer = coverage.Coverage.current() if coverage is not None and rest else None
        if tracer is None:
            return (yield)
        tracer.stop()
        try:
            return (yield)
        finally:
            tracer.start()
