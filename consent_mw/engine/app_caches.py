"""
Caches inside the application: whether one of them would store the answer to a question about this visitor.

A view that asks what its visitor allows returns a result for that visitor. A framework's cache between the view and us
does not know this, and would serve the result to somebody who allowed something else. For whole pages the edges prevent
that, since they know their framework. This module handles cached functions and template fragments. The only trace of
them is their frame on the call stack, so the stack is searched, but only when a view asks.

The stack ends where a thread or a task begins. A cache may start one (async_lru, FastAPI's caches around a function
that is not asynchronous), or the code inside the cache may. So if the search ends before it reaches the edge, it goes
on where the edge waits: in the thread that handles the request, or in the suspended coroutines of the request's tasks.
A coroutine that runs shows neither its variables nor what it waits for to another thread, so tasks are searched in the
thread of their loop.

Besides the caches of known libraries, a decorator counts whose name says that it caches, such as
``def cached(function): def wrapper(): ...``.

Such a question gets the answer of a visitor who has not chosen, so the cached result is safe for everybody. A warning
is logged once for each place. To get the visitor's own answer, ask outside the cached code and make the answer a part
of the cache key.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING
from typing import Any

from consent_mw.http.asked import Asker

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["cache_that_listens", "warn_of"]

logger = logging.getLogger("consent_mw")

#: Modules with functions that cache the result of the function they call.
_LIBRARIES = frozenset(
    [
        "adv_cache_tag",
        "aiocache",
        "asgi_caches",
        "async_lru",
        "asyncache",
        "beaker",
        "cache_memoize",
        "cacheops",
        "cacheout",
        "cachetools",
        "cachier",
        "cashews",
        "diskcache",
        "dogpile",
        "fastapi_cache",
        "fastapi_redis_cache",
        "flask_cache",
        "joblib",
        "memoization",
        "memoize",
        "redis_cache",
        "rest_framework_extensions",
        "ring",
        "theine",
    ]
)
#: Modules of larger libraries that do the same, or cache the whole response of a handler.
_MODULES = frozenset(
    ["asyncstdlib._lrucache", "boltons.cacheutils", "litestar.middleware.response_cache", "mako.cache"]
)
#: Functions that cache the result of a function that they are given, in Django's caches and those of other libraries.
_COMPUTE = frozenset({"get_or_set", "aget_or_set"})
#: The name of a decorator that caches, without those that set headers or keep caches from storing something.
_CACHING = re.compile(
    r"(?i)(?!.*(?:un|no|never)_?cach|.*(?:control|header|http|browser|etag|vary|clear|purge|invalid|bust|test))"
    r".*(?:cache|memoi[sz]e)"
)
#: The name of the function that a decorator puts in the place of another one.
_REPLACING = re.compile(r"(?i)wrap|inner|decorat|cached|memoi[sz]ed|helper|new_?func|__call__")
#: Seconds that a thread waits for the event loop to search its tasks.
_PATIENCE = 1.0
#: How many stack frames are searched; a request has far fewer.
_DEEPEST = 400
#: The frames at which the application starts.
_EDGES = frozenset({"consent_mw.wsgi", "consent_mw.asgi", "consent_mw.django.middleware"})

_warned: set[tuple[str, str]] = set()


def cache_that_listens(asker: Asker | None = None) -> tuple[str, str]:
    """
    Return the cache that would store the answer to a question asked now, and the asking code; empty without one.

    Args:
        asker: The request, for a question that is asked in another thread or task than that of the edge.
    """
    found = _Search()
    found.read(_callers(sys._getframe(1)))
    if not found.ended and asker is not None:
        if asker.task is None:
            found.read(_callers(sys._current_frames().get(asker.thread)))
        elif asker.thread == get_ident():
            _search_tasks(asker, found)
        else:
            _search_in_loop(asker, found)
    return (found.cache, found.asking) if found.cache else ("", "")


class _Search:
    """The search of the stacks that lead to a question."""

    def __init__(self) -> None:
        self.cache = ""
        self.asking = ""
        #: Whether a cache was found, or the edge was reached.
        self.ended = False

    def read(self, stack: Iterable[FrameType]) -> None:
        """Search a stack from its innermost frame to the edge."""
        called = ""
        for frame in stack:
            module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
            if module in _EDGES and name not in ("current", "ask"):
                self.ended = True
                return
            if _keeps(module, frame.f_code.co_qualname, called):
                self.cache, self.ended = module, True
                return
            if not self.asking and not module.startswith("consent_mw"):
                self.asking = f"{module}.{name}, line {frame.f_lineno}"
            called = name


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that called it."""
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _search_in_loop(asker: Asker, found: _Search) -> None:
    """
    Search the tasks of the request in the thread of the event loop, where none of them runs meanwhile.

    If the loop does not answer, it waits for the thread that asks, in code that is on the stack of the loop's thread.
    """
    from concurrent.futures import Future  # here, since only applications with an event loop need it

    assert asker.task is not None  # noqa: S101 -- for the type checker
    searched: Future[None] = Future()

    def search() -> None:
        try:
            _search_tasks(asker, found)
        finally:
            searched.set_result(None)

    try:
        asker.task.get_loop().call_soon_threadsafe(search)
    except RuntimeError:  # the loop is closed, and the request has ended
        return
    try:
        searched.result(_PATIENCE)
    except TimeoutError:
        found.read(_callers(sys._current_frames().get(asker.thread)))
        if not found.ended:
            found.cache = "perhaps: the event loop is busy"


def _search_tasks(asker: Asker, found: _Search) -> None:
    """Search the suspended tasks of the request, in the thread of the event loop."""
    waiting: list[Any] = [asker.task]
    while waiting and not found.cache:
        future = waiting.pop()
        if hasattr(future, "get_coro"):
            found.read(_suspended(future))
            waiting.append(getattr(future, "_fut_waiter", None))
        waiting += getattr(future, "_children", ())  # of asyncio.gather
    # A middleware may run what is inside it in a task that it does not wait for directly.
    from asyncio import all_tasks

    owns = asker.owns
    if owns is None or found.cache:
        return
    for task in all_tasks():
        frames = _suspended(task)
        if any(owns(frame.f_locals) for frame in frames):
            found.read(frames)


def _suspended(task: Task[Any]) -> list[FrameType]:
    """Return the frames of a task that waits, from the inside to the outside."""
    frames: list[FrameType] = []
    waits: Any = task.get_coro()
    while waits is not None and len(frames) < _DEEPEST:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            frames.append(frame)
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return frames[::-1]


def _keeps(module: str, name: str, called: str) -> bool:
    """
    Return whether a frame caches the result of its callee; functions that only compute its key do not count.

    Args:
        name: The qualified name of the frame's function.
    """
    own = name.rpartition(".")[2]
    if own in _COMPUTE:
        return True
    if module == "django.templatetags.cache":
        return called == "render"
    if module.startswith("flask_caching"):
        return own.startswith("_call_fn") or module.endswith(".jinja2ext")
    if module.partition(".")[0] in _LIBRARIES or module in _MODULES:
        return True
    # Only the name of what is around the function says that it caches. The decorators of Python's own library that are
    # not written in C (typing) cache no function of a site.
    around = name[: -len(own)].replace(".<locals>", "").strip(".").split(".")
    caches = _REPLACING.search(own) is not None and any(map(_CACHING.match, around))
    return caches and module.partition(".")[0] not in sys.stdlib_module_names


def warn_of(cache: str, asking: str) -> None:
    """Warn, once for each place, that cached code asked for the visitor's decision."""
    if (cache, asking) not in _warned and len(_warned) < 100:
        _warned.add((cache, asking))
        logger.warning(
            "what a visitor allows was asked inside a cache (%s, from %s) that keeps the result for other visitors, so"
            " the answer was that of somebody who has not chosen. Ask outside it, and make the answer part of the"
            " cache's key",
            cache,
            asking or "a template",
        )
