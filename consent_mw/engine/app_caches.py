"""
Caches inside the application: whether one of them would store the answer to a question about this visitor.

A view that asks what its visitor allows returns a result for that visitor. A framework's cache between the view and us
does not know this, and would serve the result to somebody who allowed something else. For whole pages the edges prevent
that, since they know their framework. This module handles cached functions and template fragments. The only trace of
them is their frame on the call stack, so the stack is searched, but only when a view asks.

Such a question gets the answer of a visitor who has not chosen, so the cached result is safe for everybody. A warning
is logged once for each place. To get the visitor's own answer, ask outside the cached code and make the answer a part
of the cache key.
"""

from __future__ import annotations

import logging
import sys
from types import FrameType

__all__ = ["cache_that_listens", "warn_of"]

logger = logging.getLogger("consent_mw")

#: Modules with functions that cache the result of the function they call.
_LIBRARIES = frozenset(
    [
        "adv_cache_tag",
        "aiocache",
        "async_lru",
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
        "joblib",
        "memoization",
        "memoize",
        "rest_framework_extensions",
        "ring",
        "theine",
    ]
)
#: Functions that cache the result of a function that they are given, in Django's caches and those of other libraries.
_COMPUTE = frozenset({"get_or_set", "aget_or_set"})
#: How many stack frames are searched; a request has far fewer.
_DEEPEST = 400
#: The frames at which the application starts.
_EDGES = frozenset({"consent_mw.wsgi", "consent_mw.asgi", "consent_mw.django.middleware"})

_warned: set[tuple[str, str]] = set()


def cache_that_listens() -> tuple[str, str]:
    """Return the cache that would store the answer to a question asked now, and the asking code; empty without one."""
    frame: FrameType | None = sys._getframe(1)
    called, asking = "", ""
    for _ in range(_DEEPEST):
        if frame is None:
            break
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        if module in _EDGES and name not in ("current", "ask"):
            break
        if _keeps(module, name, called):
            return module, asking
        if not asking and not module.startswith("consent_mw"):
            asking = f"{module}.{name}, line {frame.f_lineno}"
        called = name
        frame = frame.f_back
    return "", ""


def _keeps(module: str, name: str, called: str) -> bool:
    """Return whether a frame caches the result of its callee; functions that only compute its key do not count."""
    if name in _COMPUTE:
        return True
    if module == "django.templatetags.cache":
        return called == "render"
    if module.startswith("flask_caching"):
        return name.startswith("_call_fn") or module.endswith(".jinja2ext")
    return module.partition(".")[0] in _LIBRARIES or module == "mako.cache"


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
