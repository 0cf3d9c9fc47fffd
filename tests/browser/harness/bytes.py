"""
Calls a site without a browser: one request in, head and body out.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Response:
    """The response of a WSGI application."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def get(app: WSGIApplication, url: str, **headers: str) -> Response:
    """Request ``url`` from ``app``; ``headers`` are environ keys such as ``HTTP_COOKIE``."""
    parts = urlsplit(url)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": parts.path or "/",
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": parts.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }
    said: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, fields: list[tuple[str, str]], exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        said.append((status, fields))
        return written.append

    result = app(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, fields = said[-1]
    return Response(status, tuple(fields), b"".join(written) + body)


def is_inserted_into(page: bytes, body: bytes) -> bool:
    """Return whether ``body`` is ``page`` with bytes inserted."""
    rest = iter(body)
    return all(byte in rest for byte in page)
