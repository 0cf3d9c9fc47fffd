"""
The sites of the servers, distinguished by host, for WSGI and ASGI.

``localhost`` is the contract's plain site, ``framework.localhost`` the same in a framework, ``shop.localhost`` the
demo, ``trial.localhost`` an application that streams, sends files and fails in every way, and ``bare.localhost`` the
same application without consent_mw, for comparison.

``SITES_FOLDER`` names the folder in which the tests and the applications exchange messages, as files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from tests.edges import contract
from tests.edges.contract import HELD
from tests.edges.contract import ASGIApp
from tests.edges.contract import Message

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

FOLDER = Path(os.environ.get("SITES_FOLDER", "."))
FIRST = b"<!doctype html><html lang=en><title>t</title><body><p>first</p>"
SECOND = f"<p>second{HELD}</p></body></html>".encode()
PAGE_FILE = FIRST + SECOND
PICTURE = b"\x89PNG" + bytes(range(256)) * 1024
#: Seconds after which an application stops waiting for a test.
PATIENT = 30.0


def config(folder: Path) -> dict[str, object]:
    """Return the settings of the contract's site, with its records in that folder."""
    return {
        "site": {"id": "contract", "records": f"sqlite:///{folder / 'consent.db'}", "isp": "off"},
        "services": [{"use": "google-analytics"}],
    }


def gate(query: str) -> Path:
    """Return the file that a test creates to let a stream continue."""
    return FOLDER / (parse_qs(query)["mark"][0] + ".go")


def leave(query: str, what: str) -> None:
    """Report the outcome of an application's response to a test, by a file."""
    with (FOLDER / (parse_qs(query)["mark"][0] + ".left")).open("a", encoding="utf-8") as file:
        file.write(what + "\n")


def kind(query: str) -> str:
    """Return the media type in the request's query."""
    return parse_qs(query).get("kind", ["text/html; charset=utf-8"])[0]


def pieces_of(query: str) -> tuple[bytes, bytes]:
    """Return the two pieces of a response that waits between them."""
    return (b"data: 1\n\n", b"data: 2\n\n") if kind(query) == "text/event-stream" else (FIRST, SECOND)


def state() -> bytes:
    """Return the threads and the open files of this process."""
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return f"{threading.active_count()} {files}".encode()


def file_of(path: str) -> tuple[Path, str]:
    """Return a file that exists for all tests, and its type."""
    return (FOLDER / "page.html", "text/html") if path.endswith(".html") else (FOLDER / "picture.png", "image/png")


def file_head(path: Path, kind: str, wanted: str, known: str) -> tuple[str, list[tuple[str, str]], int, int]:
    """Return status, headers, first byte and length of a file server's response (RFC 9110, sections 13 and 14)."""
    found = path.stat()
    tag = f'"{found.st_size:x}"'
    headers = [("Content-Type", kind), ("ETag", tag), ("Accept-Ranges", "bytes")]
    headers.append(("Last-Modified", formatdate(int(found.st_mtime), usegmt=True)))
    if known == tag:
        return "304 Not Modified", headers, 0, 0
    if wanted.startswith("bytes="):
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last or found.st_size - 1), found.st_size - 1)
        headers.append(("Content-Range", f"bytes {begin}-{end}/{found.st_size}"))
        headers.append(("Content-Length", str(end - begin + 1)))
        return "206 Partial Content", headers, begin, end - begin + 1
    headers.append(("Content-Length", str(found.st_size)))
    return "200 OK", headers, 0, found.st_size


# -- WSGI


def trial_wsgi(environ: WSGIEnvironment, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Stream, send a file or fail, depending on the path."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/fails-before":
        raise RuntimeError("the application failed before its first byte")
    if path in ("/page.html", "/picture.png"):
        return _send_file(environ, start_response)
    if path == "/echo":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    if path == "/state":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [state()]
    start_response("200 OK", [("Content-Type", kind(query))])
    return _WSGI_STREAMS[path](query)


def _waits(query: str) -> Iterator[bytes]:
    first, second = pieces_of(query)
    yield first
    until = time.monotonic() + PATIENT
    while not gate(query).exists() and time.monotonic() < until:
        time.sleep(0.01)
    yield second


def _fails_after(query: str) -> Iterator[bytes]:
    yield FIRST
    raise RuntimeError("the application failed after its first byte")


class _Endless:
    """A body that ends when the visitor disconnects, and reports by which call."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._until = time.monotonic() + PATIENT
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return pieces_of(self._query)[0]
        if time.monotonic() > self._until:
            raise StopIteration
        time.sleep(0.005)
        return b": more text for a visitor who has left\n\n" * 100

    def close(self) -> None:
        """Report that the server closed the body."""
        leave(self._query, "closed")


_WSGI_STREAMS: dict[str, Callable[[str], Iterable[bytes]]] = {
    "/waits": _waits,
    "/fails-after": _fails_after,
    "/endless": _Endless,
}


def _send_file(environ: WSGIEnvironment, start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, kind = file_of(environ["PATH_INFO"])
    wanted, known = environ.get("HTTP_RANGE", ""), environ.get("HTTP_IF_NONE_MATCH", "")
    status, headers, begin, length = file_head(path, kind, wanted, known)
    wrapper = environ.get("wsgi.file_wrapper")
    start_response(status, [*headers, ("X-Way", "wrapper" if wrapper else "read")])
    if environ["REQUEST_METHOD"] == "HEAD" or not length:
        return []
    file = path.open("rb")
    file.seek(begin)
    if wrapper and not begin and status[:3] == "200":
        whole: Iterable[bytes] = wrapper(file, 65_536)
        return whole
    with file:
        return [file.read(length)]


def wsgi_sites() -> dict[str, WSGIApplication]:
    """Return the sites by their hosts."""
    from demo_site.shop import create_held_app

    return {
        "localhost": contract.plain_wsgi(config(FOLDER)),
        "framework.localhost": contract.flask(config(FOLDER)),
        "shop.localhost": create_held_app(9, FOLDER / "shop").wsgi_app,
        "trial.localhost": ConsentMiddleware(trial_wsgi, config(FOLDER)),
        "bare.localhost": trial_wsgi,
    }


# -- ASGI


async def trial_asgi(scope: Message, receive: Any, send: Any) -> None:
    """Stream, send a file or fail, depending on the path."""
    path, query = scope["path"], scope["query_string"].decode()
    if path == "/fails-before":
        raise RuntimeError("the application failed before its first byte")
    if path in ("/page.html", "/picture.png"):
        await _send_path(scope, send)
        return
    if path == "/echo":
        body = await _read(receive)
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    if path == "/state":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": state()})
        return
    headers = [(b"content-type", kind(query).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/endless":
        await _endless_asgi(query, receive, send)
        return
    async for piece in _ASGI_STREAMS[path](query):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _waits_asgi(query: str) -> AsyncIterator[bytes]:
    first, second = pieces_of(query)
    yield first
    until = time.monotonic() + PATIENT
    while not gate(query).exists() and time.monotonic() < until:
        await asyncio.sleep(0.01)
    yield second


async def _fails_after_asgi(query: str) -> AsyncIterator[bytes]:
    yield FIRST
    raise RuntimeError("the application failed after its first byte")


_ASGI_STREAMS: dict[str, Callable[[str], AsyncIterator[bytes]]] = {
    "/waits": _waits_asgi,
    "/fails-after": _fails_after_asgi,
}


async def _endless_asgi(query: str, receive: Any, send: Any) -> None:
    """Send until the visitor disconnects, as frameworks do: one task receives, the other sends."""

    async def hear() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    hearing = asyncio.create_task(hear())
    try:
        await send({"type": "http.response.body", "body": pieces_of(query)[0], "more_body": True})
        until = time.monotonic() + PATIENT
        while not hearing.done() and time.monotonic() < until:
            await send({"type": "http.response.body", "body": b": more\n\n" * 500, "more_body": True})
            await asyncio.sleep(0.005)
    finally:
        hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await hearing
        leave(query, "closed")


async def _send_path(scope: Message, send: Any) -> None:
    path, kind = file_of(scope["path"])
    given = {name.decode(): value.decode() for name, value in scope["headers"]}
    status, headers, begin, length = file_head(path, kind, given.get("range", ""), given.get("if-none-match", ""))
    whole = status[:3] == "200" and scope["method"] != "HEAD"
    by_path = whole and "http.response.pathsend" in scope.get("extensions", {})
    headers.append(("X-Way", "pathsend" if by_path else "read"))
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
    if by_path:
        await send({"type": "http.response.pathsend", "path": str(path)})
        return
    body = path.read_bytes()[begin : begin + length] if scope["method"] != "HEAD" else b""
    await send({"type": "http.response.body", "body": body})


def asgi_sites() -> dict[str, ASGIApp]:
    """Return the sites by their hosts."""
    from asgiref.wsgi import WsgiToAsgi

    from demo_site.shop import create_app
    from demo_site.shop import settings

    return {
        "localhost": contract.plain_asgi(config(FOLDER)),
        "framework.localhost": contract.starlette(config(FOLDER)),
        "shop.localhost": ConsentASGIMiddleware(
            WsgiToAsgi(create_app(9)),  # type: ignore[no-untyped-call]
            settings(FOLDER / "shop"),
        ),
        "trial.localhost": ConsentASGIMiddleware(trial_asgi, config(FOLDER)),
        "bare.localhost": trial_asgi,
    }
