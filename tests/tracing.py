"""
Which tests are traced for coverage: the first cases of each test function.

Tracing more than doubles the time of a test. The cases of a parametrised test go much the same ways through the code,
so each process traces the first few of a function and runs the rest without. What the figures call covered has been
run; a line that only a later case reaches counts as missing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator

import pytest

#: How many cases of a test function are traced in a process.
TRACED = 5


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
        tracer = coverage.Coverage.current() if coverage is not None and self._run[function] > TRACED else None
        if tracer is None:
            return (yield)
        tracer.stop()
        try:
            return (yield)
        finally:
            tracer.start()
