"""
Which tests are traced for coverage: all, save that of functions that do the same with hundreds of pages only the first
cases are.

Tracing more than doubles the time of a test. In the rooms that are named here the cases of a function go much the same
ways through the code, so each process traces a few of them and runs the rest without. What the figures call covered
has been run; a line that only a later case reaches counts as missing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator

import pytest

#: How many cases of a test function in these rooms are traced in a process.
TRACED = 5
ROOMS = (
    "tests/browser/",
    "tests/catalogue/test_catalogue.py",
    "tests/edges/test_contract.py",
    "tests/edges/servers/",
    "tests/field/",
    "tests/house/",
    "tests/notice/test_languages.py",
)


class FirstCases:
    """The plugin that ends the tracing for a test and takes it up again."""

    def __init__(self) -> None:
        self._run: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test with its fixtures, traced or not."""
        function = item.nodeid.partition("[")[0]
        self._run[function] += 1
        coverage = sys.modules.get("coverage")
        rest = self._run[function] > TRACED and function.startswith(ROOMS)
        tracer = coverage.Coverage.current() if coverage is not None and rest else None
        if tracer is None:
            return (yield)
        tracer.stop()
        try:
            return (yield)
        finally:
            tracer.start()
