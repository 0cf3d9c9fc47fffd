"""Coroutines of tests, run where no loop runs yet: Playwright's plain interface keeps one in the main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def run(what: Awaitable[_T]) -> _T:
    """Run to its end in a loop of its own, in a thread of its own, and return the result."""

    async def awaited() -> _T:
        return await what

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(awaited())).result()
