"""The entry point for WSGI servers; the sites are created when a server loads it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

from tests.edges.servers.sites import wsgi_sites

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SITES = wsgi_sites()
_sendfile = os.sendfile
_sent = 0


def _counting(out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
    global _sent
    _sent += 1
    return _sendfile(out_fd, in_fd, offset, count)


os.sendfile = _counting


def application(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
    """Pass the request to the site of its host, or answer with the number of sendfile calls."""
    if environ["PATH_INFO"] == "/sent":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(_sent).encode()]
    return _SITES[environ["HTTP_HOST"].partition(":")[0]](environ, start_response)
