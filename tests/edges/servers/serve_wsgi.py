"""The entrance for servers that speak WSGI; the sites are made when a server loads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

from tests.edges.servers.sites import wsgi_sites

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SITES = wsgi_sites()


def application(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
    """Answer as the site that the request is for."""
    return _SITES[environ["HTTP_HOST"].partition(":")[0]](environ, start_response)
