"""
Requests one response from a site: over the network, or from a WSGI or ASGI application in this process.

Each response is limited in seconds and bytes. Errors do not raise: the response contains a message, so that a site that
hangs or breaks off is a line in the report. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from inspect import iscoroutinefunction
from threading import Thread
from typing import Any
from typing import Protocol
from urllib.parse import SplitResult
from urllib.parse import unquote
from urllib.parse import urlsplit

from consent_mw.audit.loading import NoTarget
from consent_mw.audit.loading import load_app

__all__ = ["AppTarget", "Bounds", "Response", "AuditTarget", "UrlTarget", "is_asgi", "open_target"]

#: The origin of an application in this process; https, because choices are only stored over https.
APP_ORIGIN = "https://localhost"
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    The limits of one response.

    Args:
        seconds: Time limit until its last byte.
        size: The most bytes of its body that are read.
    """

    seconds: float = 20.0
    size: int = 5_000_000


@dataclass(frozen=True, slots=True)
class Response:
    """
    One response.

    Args:
        status: 0 if there was no response.
        problem: Why it is incomplete; empty if it is complete.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    problem: str = ""

    def header(self, name: str) -> str:
        """Return the first header of that name (lower case), or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class AuditTarget(Protocol):
    """The audited site."""

    #: Scheme and host, without a trailing slash.
    origin: str

    def ask(self, path: str, headers: Mapping[str, str], form: bytes | None = None) -> Response:
        """Return the response to a GET for path and query, or to a POST if there is a form."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class UrlTarget:
    """
    A site on the network.

    Args:
        url: Its address; the audit starts at its path.
    """

    def __init__(self, url: str, bounds: Bounds) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._parts: SplitResult = parts
        self._bounds = bounds

    def ask(self, path: str, headers: Mapping[str, str], form: bytes | None = None) -> Response:
        """Return the response to a request."""
        deadline = time.monotonic() + self._bounds.seconds
        host, port, seconds = self._parts.hostname or "", self._parts.port, self._bounds.seconds
        connection: http.client.HTTPConnection
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            connection.request("GET" if form is None else "POST", path, body=form, headers=dict(headers))
            answer = connection.getresponse()
            head = Response(answer.status, tuple(answer.getheaders()))
            return _read(head, answer.read1, deadline, self._bounds.size)
        except TimeoutError:
            return Response(problem=f"no answer within {seconds:g} seconds")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Response(problem=f"no answer: {_reason(error)}")
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing is kept open."""


def _read(head: Response, read: Callable[[int], bytes], deadline: float, size: int) -> Response:
    """Return the response with its body, up to the limits."""
    parts: list[bytes] = []
    left, problem = size, ""
    try:
        while piece := read(min(_PIECE, left) or 1):
            if left <= 0:
                problem = f"only the first {size:,} bytes were read"
                break
            parts.append(piece)
            left -= len(piece)
            if time.monotonic() > deadline:
                problem = "it did not end in time"
                break
    except TimeoutError:
        problem = "it did not end in time"
    except (OSError, http.client.HTTPException) as error:
        problem = f"it broke off: {str(error) or type(error).__name__}"
    return Response(head.status, head.headers, b"".join(parts), problem)


class AppTarget:
    """
    An application in this process.

    Each request runs in its own thread, so that the audit can abandon one that hangs.

    Args:
        app: A WSGI or ASGI application.
    """

    origin = APP_ORIGIN

    def __init__(self, app: Any, bounds: Bounds) -> None:
        self.app = app
        self._bounds = bounds
        self._asgi = _Loop(app) if is_asgi(app) else None

    def ask(self, path: str, headers: Mapping[str, str], form: bytes | None = None) -> Response:
        """Return the response to a request."""
        found: list[Response] = []

        def run() -> None:
            try:
                answer = self._by_asgi if self._asgi is not None else self._by_wsgi
                found.append(answer(path, headers, form))
            except Exception as error:  # any error of the application is a line in the report
                found.append(Response(problem=f"the application raised {type(error).__name__}: {error}"[:300]))

        thread = Thread(target=run, daemon=True)
        thread.start()
        thread.join(self._bounds.seconds + 1)
        return found[0] if found else Response(problem=f"no answer within {self._bounds.seconds:g} seconds")

    def _by_wsgi(self, path: str, headers: Mapping[str, str], form: bytes | None) -> Response:
        from werkzeug.test import EnvironBuilder
        from werkzeug.test import run_wsgi_app

        deadline = time.monotonic() + self._bounds.seconds
        way, _, query = path.partition("?")
        builder = EnvironBuilder(
            path=way,
            query_string=query,
            base_url=APP_ORIGIN,
            method="GET" if form is None else "POST",
            headers=list(headers.items()),
            data=form,
        )
        try:
            environ = builder.get_environ()
        finally:
            builder.close()
        chunks, status, head = run_wsgi_app(self.app, environ)
        pieces = iter(chunks)
        try:
            answer = Response(int(status.split()[0]), tuple(head.items()))
            return _read(answer, _reader(pieces), deadline, self._bounds.size)
        finally:
            if callable(close := getattr(chunks, "close", None)):
                close()

    def _by_asgi(self, path: str, headers: Mapping[str, str], form: bytes | None) -> Response:
        assert self._asgi is not None  # noqa: S101 -- chosen by it
        return self._asgi.ask(path, headers, form, self._bounds)

    def close(self) -> None:
        """Shut down an ASGI application."""
        if self._asgi is not None:
            self._asgi.close()


def _reader(pieces: Any) -> Callable[[int], bytes]:
    """Return a function that reads the next bytes of an iterator, skipping empty chunks."""

    def read(_: int) -> bytes:
        return next((bytes(piece) for piece in pieces if piece), b"")

    return read


class _Loop:
    """
    An event loop in a thread that runs an ASGI application.

    Its lifespan starts first (https://asgi.readthedocs.io/en/latest/specs/lifespan.html). An application without
    lifespan support raises, and is served anyway.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stop = asyncio.Event()
        self._life = self._call(self._begin()).result(30)

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _begin(self) -> asyncio.Task[None]:
        begun = asyncio.Event()
        asked = iter(({"type": "lifespan.startup"},))

        async def receive() -> dict[str, Any]:
            for message in asked:
                return message
            await self._stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Mapping[str, Any]) -> None:
            begun.set()

        async def live() -> None:
            scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
            # By the protocol, an exception means that lifespan is not supported.
            with suppress(Exception):
                await self._app(scope, receive, send)
            begun.set()

        life = asyncio.ensure_future(live())
        await asyncio.wait_for(begun.wait(), 30)
        return life

    def ask(self, path: str, headers: Mapping[str, str], form: bytes | None, bounds: Bounds) -> Response:
        """Return the response to a request."""
        call = self._call(asyncio.wait_for(self._answer(path, headers, form or b"", bounds), bounds.seconds))
        try:
            answer: Response = call.result(bounds.seconds + 1)
        except TimeoutError:
            call.cancel()
            return Response(problem=f"no answer within {bounds.seconds:g} seconds")
        return answer

    async def _answer(self, path: str, headers: Mapping[str, str], form: bytes, bounds: Bounds) -> Response:
        way, _, query = path.partition("?")
        host = urlsplit(APP_ORIGIN).netloc
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST" if form else "GET",
            "scheme": "https",
            "path": unquote(way),
            "raw_path": way.encode("ascii", "replace"),
            "query_string": query.encode("ascii", "replace"),
            "root_path": "",
            "headers": [
                (b"host", host.encode()),
                *((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()),
                *([(b"content-length", str(len(form)).encode())] if form else []),
            ],
            "client": ("127.0.0.1", 1),
            "server": (host, 443),
            "state": dict(self._state),
        }
        given = iter(({"type": "http.request", "body": form, "more_body": False},))
        got = _Got(bounds.size)

        async def receive() -> dict[str, Any]:
            for message in given:
                return message
            await got.done.wait()
            return {"type": "http.disconnect"}

        call: Awaitable[None] = self._app(scope, receive, got.send)
        with suppress(_Enough):
            await call
        return got.response()

    def close(self) -> None:
        """End the lifespan and the loop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        with suppress(TimeoutError, asyncio.CancelledError):
            self._call(asyncio.wait_for(self._life, 5)).result(6)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._loop.is_running():
            self._loop.close()


class _Enough(Exception):
    """The body exceeds the limit."""


class _Got:
    """Collects what an ASGI application sends."""

    def __init__(self, size: int) -> None:
        self.done = asyncio.Event()
        self._size = size
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = bytearray()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Receive a message from the application."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = message.get("headers", ())
            self._headers = tuple((bytes(k).decode("latin-1"), bytes(v).decode("latin-1")) for k, v in headers)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if len(self._body) > self._size:
                self.done.set()
                raise _Enough
            if not message.get("more_body", False):
                self.done.set()

    def response(self) -> Response:
        """Return the response received so far."""
        problem = "" if self._status else "the application sent no response"
        if len(self._body) > self._size:
            problem = f"only the first {self._size:,} bytes were read"
        return Response(self._status, self._headers, bytes(self._body[: self._size]), problem)


# -- targets on the command line


def is_asgi(app: Any) -> bool:
    """Return whether an application is an ASGI application."""
    return iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004 -- of its class


def _reason(error: Exception) -> str:
    """Return why a connection failed, without the system's number for it."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__


def open_target(name: str, bounds: Bounds) -> AuditTarget:
    """
    Return the target that the command line names: an http(s) address, or an application as ``module:attribute``.

    Raises:
        NoTarget: it is neither.
    """
    if name.startswith(("http://", "https://")):
        try:
            named = bool(urlsplit(name).hostname) and urlsplit(name).port != 0
        except ValueError:
            named = False
        if not named:
            raise NoTarget(f"{name} is not an address. Write https://example.org/.")
        return UrlTarget(name, bounds)
    if "://" in name:
        raise NoTarget(f"{name} cannot be visited. Write an address that begins with https:// or http://.")
    if ":" not in name:
        raise NoTarget(f"{name!r} is neither an address (https://...) nor an application (module:attribute).")
    return AppTarget(load_app(name), bounds)
