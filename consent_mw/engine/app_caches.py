"""
Caches inside the application, which keep what one visitor got for the next: is one of them listening?

A view that asks what its visitor allows answers for that visitor. A cache of a framework between the view and us does
not know: it would hand the answer to somebody who allowed something else. Whole pages are dealt with at the edges,
which know their framework. Here is the rest: functions and pieces of templates whose result is kept. They are known by
their place in the call stack, since nothing else tells; only a view that asks pays for the look.

To such a question the answer is that of a visitor who has not chosen, so that what is kept may reach anybody. The log
says so once for each place. Who wants more asks before, and makes the answer a part of the cache's key.
"""

from __future__ import annotations

import logging
import sys
from types import FrameType

__all__ = ["cache_that_listens", "warn_of"]

logger = logging.getLogger("consent_mw")

#: Libraries whose functions keep what the function they call returns.
_LIBRARIES = frozenset(
    [
        "aiocache",
        "async_lru",
        "beaker",
        "cacheops",
        "cachetools",
        "cashews",
        "diskcache",
        "dogpile",
        "fastapi_cache",
        "joblib",
    ]
)
#: Calls that are looked at, from the question up; a request has far fewer.
_DEEPEST = 400
#: Where the application begins.
_EDGES = frozenset({"consent_mw.wsgi", "consent_mw.asgi", "consent_mw.django.middleware"})

_warned: set[tuple[str, str]] = set()


def cache_that_listens() -> tuple[str, str]:
    """Return the cache that would keep the answer to a question asked now, and who asks; empty without one."""
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
    """Return whether a call keeps what it called returns; what makes its key is called in the same place."""
    if module == "django.templatetags.cache":
        return called == "render"
    if module.startswith("flask_caching"):
        return name.startswith("_call_fn") or module.endswith(".jinja2ext")
    return module.partition(".")[0] in _LIBRARIES or module == "mako.cache"


def warn_of(cache: str, asking: str) -> None:
    """Say, once for each place, what was asked where the answer is kept for others."""
    if (cache, asking) not in _warned and len(_warned) < 100:
        _warned.add((cache, asking))
        logger.warning(
            "what a visitor allows was asked inside a cache (%s, from %s) that keeps the result for other visitors, so"
            " the answer was that of somebody who has not chosen. Ask outside it, and make the answer part of the"
            " cache's key",
            cache,
            asking or "a template",
        )
