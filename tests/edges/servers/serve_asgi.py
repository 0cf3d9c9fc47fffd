"""The entry point for ASGI servers; the sites are created when a server loads it."""

from __future__ import annotations

import os
from typing import Any

from tests.edges.contract import Message
from tests.edges.servers.sites import asgi_sites

_SITES = asgi_sites()
#: The site that gets the lifespan events of the server.
_LIFESPAN = os.environ["SITES_LIFESPAN"]


async def application(scope: Message, receive: Any, send: Any) -> None:
    """Pass the request to the site of its host."""
    host = _LIFESPAN
    if scope["type"] == "http":
        host = next(value.decode() for name, value in scope["headers"] if name == b"host").partition(":")[0]
    await _SITES[host](scope, receive, send)
