"""The site of a case behind the middleware, on a private port, and an HTTP client that is not a browser."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socketserver
import sqlite3
import threading
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import WSGIServer
from wsgiref.simple_server import make_server

from consent_mw import ConsentMiddleware
from tests.field.case import TYPES
from tests.field.case import Case

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

Answer = tuple[int, list[tuple[str, str]], bytes]

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
_SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) AppleWebKit/605.1.15 Version/15.6 Mobile Safari/604.1"
_PAGE = "text/html,application/xhtml+xml,*/*;q=0.8"
#: The kinds of clients in a step ``get``, with their headers.
CLIENTS: Mapping[str, Mapping[str, str]] = {
    "browser": {
        "User-Agent": CHROME,
        "Accept": _PAGE,
        "Sec-Fetch-Site": "none",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
    "browser-fetch": {
        "User-Agent": CHROME,
        "Accept": "*/*",
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
    },
    "browser-form": {
        "User-Agent": CHROME,
        "Accept": "text/html",
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
    "old-browser": {"User-Agent": _SAFARI, "Accept": _PAGE},
    "old-browser-fetch": {"User-Agent": _SAFARI, "Accept": "*/*"},
    "probe": {"User-Agent": "kube-probe/1.30", "Accept": "*/*"},
    "script": {"User-Agent": "python-requests/2.32", "Accept": "*/*"},
}


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def handle(self) -> None:
        """Answer; ignore a browser that disconnects."""
        with contextlib.suppress(ConnectionError):
            super().handle()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a browser that disconnects is not an error."""


class Log(logging.Handler):
    """Collects the log lines of the product."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class FieldSite:
    """
    A case's site, wrapped and served.

    Args:
        case: The case.
        work: An empty folder for its records.
        modules: A folder ``node_modules``, served under ``/npm/``.
    """

    def __init__(self, case: Case, work: Path, modules: Path) -> None:
        self._case = case
        self._modules = modules
        self._store = work / "consent.db"
        self.log = Log()
        logger = logging.getLogger("consent_mw")
        logger.addHandler(self.log)
        told = case.told.get("config", {})
        site = {"records": f"sqlite:///{self._store}", "isp": "off", **told.get("site", {})}
        wrap = case.module(case.told["wrap"]) if "wrap" in case.told else None
        inner = getattr(wrap, "inside", lambda app: app)(self._app)
        self.product = ConsentMiddleware(inner, {**told, "site": site})
        outer = getattr(wrap, "outside", lambda app: app)(self.product)
        self._server = make_server("127.0.0.1", 0, outer, server_class=_Server, handler_class=_Handler)
        self.base = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop serving, and close the records."""
        self._server.shutdown()
        self._server.server_close()
        self.product.close()
        logging.getLogger("consent_mw").removeHandler(self.log)

    def bare(self, method: str, path: str) -> Answer:
        """Return the response of the bare site."""
        for told in self._case.told.get("responses", []):
            if told["path"] == path and told.get("method", method) == method:
                return self._told(told)
        status = 200
        if path.startswith("/npm/"):
            file = (self._modules / path.removeprefix("/npm/")).resolve()
            body = file.read_bytes() if file.is_file() and self._modules.resolve() in file.parents else None
        elif path.startswith("/echo"):
            return 200, [("Content-Type", "text/plain"), ("Content-Length", "2")], b"ok"
        else:
            body = self._case.file("page.html" if path == "/" else path)
        if body is None:
            status, body, path = 404, b"<!doctype html><title>Not found</title><p>Not found", "/"
        kind = TYPES.get(Path("page.html" if path == "/" else path).suffix, "application/octet-stream")
        return status, [("Content-Type", kind), ("Content-Length", str(len(body)))], body

    def _told(self, told: Mapping[str, object]) -> Answer:
        body = (self._case.file(str(told["file"])) or b"") if "file" in told else str(told.get("body", "")).encode()
        given = told.get("headers", {})
        headers = [(str(name), str(value)) for name, value in given.items()] if isinstance(given, dict) else []
        if kind := str(told.get("type", "text/html; charset=utf-8")):
            headers.append(("Content-Type", kind))
        status = told.get("status", 200)
        assert isinstance(status, int)
        if status not in (204, 304) and told.get("length", True):
            headers.append(("Content-Length", str(len(body))))
        return status, headers, body

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self.bare(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        start_response(f"{status} {http.client.responses.get(status, 'Status')}", headers)
        return [body] if body and environ["REQUEST_METHOD"] != "HEAD" else []

    def fetch(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request without a browser, and return the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port, timeout=30)
        host = urlsplit(self.base).netloc
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Host": host, "Accept-Encoding": "identity", **headers})
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()

    def learn(self, paths: Iterable[str]) -> None:
        """Let a site without declared services discover what its pages load, as its first visitors would."""
        for path in paths:
            self.fetch("GET", path, CLIENTS["browser"])
        self.product.engine.settle()
        for path in paths:
            self.fetch("GET", path, CLIENTS["browser"])

    def kept(self) -> tuple[int, dict[str, int]]:
        """Return the number of entries in the ledger, and the counts so far."""
        self.product.engine.tally.flush()
        if not self._store.exists():
            return 0, {}
        with contextlib.closing(sqlite3.connect(self._store, timeout=30)) as store:
            (rows,) = store.execute("SELECT count(*) FROM ledger").fetchone()
            counted = store.execute("SELECT outcome, sum(total) FROM counts WHERE dimension = '' GROUP BY outcome")
            return rows, dict(counted.fetchall())
