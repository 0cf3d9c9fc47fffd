"""Runs coroutines in a separate thread, since Playwright's synchronous API keeps a loop running in the main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def run(what: Awaitable[_T]) -> _T:
    """Run an awaitable to its end in a new loop and thread, and return the result."""

    async def awaited() -> _T:
        return await what

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(awaited())).result()
