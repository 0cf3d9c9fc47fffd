"""
A forward proxy on loopback that answers for every host and records each request and each connection.

One :class:`Proxy` per test session has the certificate authority. A :class:`Lane` is one listening port with its own
log, so that concurrent visits cannot be mixed up. A WSGI application in this process answers for first-party hosts, and
an ``answer`` function for all others. The proxy never opens a connection, so nothing else is reachable.

A CONNECT is logged before TLS starts, so a ``preconnect`` is seen although no request follows. A mere DNS lookup
(``dns-prefetch``) cannot be seen: browsers behind a proxy do not query DNS.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from http.client import HTTPMessage
from http.client import parse_headers
from http.client import responses
from types import TracebackType
from typing import TYPE_CHECKING
from typing import BinaryIO
from typing import Self
from urllib.parse import unquote_to_bytes
from urllib.parse import urlsplit

import trustme

from tests.browser.harness.answers import Answer
from tests.browser.harness.answers import fitting

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

_LINE_LIMIT = 1 << 20
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Hit:
    """One request, or, if ``method`` is CONNECT, one connection (its ``path`` is empty)."""

    method: str
    scheme: str
    host: str
    port: int
    path: str
    time: float
    dest: str = ""
    origin: str = ""
    wants_html: bool = False

    @property
    def url(self) -> str:
        """The address as the browser wrote it, without a default port."""
        port = "" if _DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class Proxy:
    """The certificate authority and the lanes that use it."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, host: str) -> ssl.SSLContext:
        """Return a TLS context with a certificate for ``host``; it is made on first use."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_alpn_protocols(["http/1.1"])
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def lane(
        self,
        own: Mapping[str, WSGIApplication] | None = None,
        answer: Callable[[Hit], Answer] = fitting,
    ) -> Lane:
        """Open a lane in which applications answer for the hosts of ``own``, and ``answer`` for all others."""
        return Lane(self, dict(own or {}), answer)


class Lane:
    """One listening port, one log."""

    def __init__(self, proxy: Proxy, own: Mapping[str, WSGIApplication], answer: Callable[[Hit], Answer]) -> None:
        self._proxy = proxy
        self._own = own
        self._answer = answer
        self._hits: list[Hit] = []
        self._errors: list[str] = []
        self._changed = threading.Condition()
        self._busy = 0
        self._last = time.monotonic()
        self._closed = False
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name=f"lane-{self.port}", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The address of this lane as a proxy."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, host: str, app: WSGIApplication) -> None:
        """Let ``app`` answer for ``host`` from now on."""
        with self._changed:
            self._own = {**self._own, host: app}

    def forget(self) -> None:
        """Empty the log and remove the first-party hosts."""
        with self._changed:
            self._hits.clear()
            self._errors.clear()
            self._own = {}

    def hits(self, since: int = 0) -> list[Hit]:
        """Return the log from position ``since`` on."""
        with self._changed:
            return self._hits[since:]

    def mark(self) -> int:
        """Return the current end of the log."""
        with self._changed:
            return len(self._hits)

    def foreign(self, since: int = 0) -> list[Hit]:
        """Return the hits of hosts that are not first-party."""
        return [hit for hit in self.hits(since) if hit.host not in self._own]

    def urls(self, since: int = 0) -> list[str]:
        """Return the requested addresses, without connections."""
        return [hit.url for hit in self.hits(since) if hit.method != "CONNECT"]

    @property
    def errors(self) -> list[str]:
        """Tracebacks of applications that failed while they were called."""
        with self._changed:
            return list(self._errors)

    def settle(self, quiet: float = 0.25, limit: float = 20.0) -> None:
        """
        Wait until no request is in progress and none arrived for ``quiet`` seconds, counted from now.

        Raises:
            TimeoutError: After ``limit`` seconds.
        """
        start = time.monotonic()
        with self._changed:
            while True:
                now = time.monotonic()
                idle = now - max(self._last, start)
                if not self._busy and idle >= quiet:
                    return
                if now - start > limit:
                    raise TimeoutError(f"requests go on after {limit} s: {', '.join(map(str, self._hits[-5:]))}")
                self._changed.wait(limit if self._busy else quiet - idle)

    def wait_for(self, done: Callable[[list[Hit]], bool], since: int = 0, limit: float = 60.0) -> bool:
        """Wait at most ``limit`` seconds until ``done(log[since:])`` is true; return its last result."""
        start = time.monotonic()
        with self._changed:
            while not (found := done(self._hits[since:])):
                left = start + limit - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return found

    def close(self) -> None:
        """Stop listening, abort open connections and wait for the threads."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            connections = list(self._connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(10)
        with self._changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._changed:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
                self._threads.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A browser that disconnects in the middle of a request is not an error.
            with contextlib.suppress(OSError, ValueError, HTTPException):
                self._converse(connection, None)
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._threads.discard(threading.current_thread())
            connection.close()

    def _converse(self, connection: socket.socket, tunnel: tuple[str, int] | None) -> None:
        """Answer the requests on ``connection``; ``tunnel`` is the host and port of its CONNECT."""
        with connection.makefile("rb") as reader:
            while True:
                line = reader.readline(_LINE_LIMIT).decode("latin-1").strip()
                if not line:
                    return
                method, target, _ = line.split(" ", 2)
                headers = parse_headers(reader)
                if method == "CONNECT" and tunnel is None:
                    host, _, port = target.rpartition(":")
                    host = host.strip("[]").lower()
                    self._note(Hit("CONNECT", "https", host, int(port), "", time.monotonic()))
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    self._tunnel(connection, host, int(port))
                    return
                body = _body(reader, headers)
                hit = _hit(method, target, headers, tunnel)
                with self._work(hit):
                    self._reply(connection, hit, headers, body)

    def _tunnel(self, connection: socket.socket, host: str, port: int) -> None:
        """Terminate the TLS of a CONNECT and serve HTTP inside it."""
        inner = self._proxy.context(host).wrap_socket(connection, server_side=True)
        with self._changed:
            self._connections.discard(connection)
            if self._closed:
                inner.close()
                return
            self._connections.add(inner)
        try:
            self._converse(inner, (host, port))
        finally:
            with self._changed:
                self._connections.discard(inner)
            inner.close()

    def _note(self, hit: Hit) -> None:
        with self._changed:
            self._hits.append(hit)
            self._last = time.monotonic()
            self._changed.notify_all()

    @contextlib.contextmanager
    def _work(self, hit: Hit) -> Iterator[None]:
        with self._changed:
            self._busy += 1
            self._hits.append(hit)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._last = time.monotonic()
                self._changed.notify_all()

    def _reply(self, connection: socket.socket, hit: Hit, headers: HTTPMessage, body: bytes) -> None:
        app = self._own.get(hit.host)
        if app is None:
            answer = self._answer(hit)
            fields = [("Content-Type", answer.content_type), ("Cache-Control", "no-store"), *answer.headers]
            _send(connection, hit.method, f"{answer.status} {responses[answer.status]}", fields, [answer.body])
            return
        try:
            _call(app, _environ(hit, headers, body), lambda *said: _send(connection, hit.method, *said))
        except OSError:
            raise
        except Exception:
            with self._changed:
                self._errors.append(f"{hit}\n{traceback.format_exc()}")
            # The head may have been sent already: like a real server, abort the connection.
            raise ConnectionAbortedError from None


def _hit(method: str, target: str, headers: HTTPMessage, tunnel: tuple[str, int] | None) -> Hit:
    if tunnel is None:
        parts = urlsplit(target)
        scheme, host, port = parts.scheme or "http", parts.hostname or "", parts.port or 80
        path = target.partition("://")[2]
        path = path[len(path.partition("/")[0].partition("?")[0]) :] or "/"
    else:
        scheme, (host, port), path = "https", tunnel, target
    return Hit(
        method,
        scheme,
        host.lower(),
        port,
        path,
        time.monotonic(),
        dest=headers.get("Sec-Fetch-Dest", ""),
        origin=headers.get("Origin", ""),
        wants_html="text/html" in headers.get("Accept", ""),
    )


def _body(reader: BinaryIO, headers: HTTPMessage) -> bytes:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        pieces = []
        while size := int(reader.readline(_LINE_LIMIT).partition(b";")[0], 16):
            pieces.append(reader.read(size))
            reader.readline(_LINE_LIMIT)
        while reader.readline(_LINE_LIMIT).strip():
            pass
        return b"".join(pieces)
    return reader.read(int(headers.get("Content-Length", "0")))


def _environ(hit: Hit, headers: HTTPMessage, body: bytes) -> WSGIEnvironment:
    path, _, query = hit.path.partition("?")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": hit.method,
        "SCRIPT_NAME": "",
        # PEP 3333: the unquoted bytes of the path, decoded as latin-1.
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": hit.host,
        "SERVER_PORT": str(hit.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": hit.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        if key == "TRANSFER_ENCODING" or key.startswith("PROXY_"):
            continue
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


Fields = Iterable[tuple[str, str]]


def _call(app: WSGIApplication, environ: WSGIEnvironment, send: Callable[[str, Fields, Iterable[bytes]], None]) -> None:
    """Run ``app`` once; data from ``write()`` is sent before the returned data."""
    said: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        said.append((status, headers))
        return written.append

    result = app(environ, start_response)
    try:
        chunks = iter(result)
        # A generator may call start_response with its first chunk, so read that chunk before sending the head.
        first = next(chunks, b"")
        status, headers = said[-1]
        send(status, headers, _chain(written, first, chunks))
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()


def _chain(written: Iterable[bytes], first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield from written
    yield first
    yield from rest


def _send(connection: socket.socket, method: str, status: str, headers: Fields, body: Iterable[bytes]) -> None:
    """Send one response, chunked unless it has a length; keep the connection open for the next request."""
    fields = list(headers)
    code = int(status[:3])
    empty = method == "HEAD" or code < 200 or code in (204, 304)
    chunked = not empty and not any(name.lower() == "content-length" for name, _ in fields)
    if chunked:
        fields.append(("Transfer-Encoding", "chunked"))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1"))
    for piece in body:
        if piece and not empty:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        connection.sendall(b"0\r\n\r\n")
