"""
The site of the soak, wrapped: pages, a long stream, events, JSON, and two ways to fail, on WSGI and on ASGI.

``BENCH_RECORDS`` is the URL of its records.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from functools import cache
from typing import Any

from benchmarks.pages import make_page
from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import Decision
from consent_mw import current

PAGE = make_page(30_000)
_LONG = make_page(2_000_000)
_PIECE = 16_384
_HTML = "text/html; charset=utf-8"
_HEADERS = [("Set-Cookie", "_ga=GA1.1.2.3; Path=/"), ("Set-Cookie", "own=1; Path=/"), ("ETag", '"1"')]
#: Seconds between two events.
_PAUSE = 0.05


def told(old: Decision, new: Decision, receipt: str) -> None:
    """Receive a choice, and do nothing."""


def settings() -> dict[str, object]:
    """Return the site's settings."""
    site = {
        "records": os.environ["BENCH_RECORDS"],
        "isp": "off",
        "grants_per_hour": 0,
        "on_change": told,
        "hide_cookies": True,
        "server_timing": True,
    }
    return {"site": site, "services": [{"use": name} for name in ("google-analytics", "meta-pixel", "youtube")]}


def _whole(path: str, allowed: bool) -> tuple[str, bytes] | None:
    if path == "/page":
        return _HTML, PAGE
    if path == "/json":
        return "application/json", b'{"allowed": %s}' % (b"true" if allowed else b"false")
    return None


def _plain_wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fails-before":
        raise RuntimeError("before the first byte")
    whole = _whole(path, current(environ).allows("analytics"))
    if whole is not None:
        start_response("200 OK", [("Content-Type", whole[0]), ("Content-Length", str(len(whole[1]))), *_HEADERS])
        return [whole[1]]
    start_response("200 OK", [("Content-Type", "text/event-stream" if path == "/events" else _HTML)])
    return _pieces(path)


def _pieces(path: str) -> Iterator[bytes]:
    if path == "/events":
        for number in range(5):
            yield b"data: %d\n\n" % number
            time.sleep(_PAUSE)
        return
    for at in range(0, len(_LONG), _PIECE):
        yield _LONG[at : at + _PIECE]
        if path == "/fails-after":
            raise RuntimeError("after the first byte")


async def _plain_asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/fails-before":
        raise RuntimeError("before the first byte")
    whole = _whole(path, current(scope).allows("analytics"))
    kind = whole[0] if whole else "text/event-stream" if path == "/events" else _HTML
    headers = [("Content-Type", kind)]
    if whole is not None:
        headers += [("Content-Length", str(len(whole[1]))), *_HEADERS]
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    if whole is None:
        async for piece in _pieces_async(path):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": whole[1] if whole else b""})


async def _pieces_async(path: str) -> AsyncIterator[bytes]:
    if path == "/events":
        for number in range(5):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(_PAUSE)
        return
    for at in range(0, len(_LONG), _PIECE):
        yield _LONG[at : at + _PIECE]
        if path == "/fails-after":
            raise RuntimeError("after the first byte")


@cache
def _wrapped_wsgi() -> ConsentMiddleware:
    return ConsentMiddleware(_plain_wsgi, settings())


@cache
def _wrapped_asgi() -> ConsentASGIMiddleware:
    return ConsentASGIMiddleware(_plain_asgi, settings())


def wsgi() -> ConsentMiddleware:
    """Return the site for gunicorn."""
    return _wrapped_wsgi()


def asgi() -> ConsentASGIMiddleware:
    """Return the site for Uvicorn."""
    return _wrapped_asgi()
