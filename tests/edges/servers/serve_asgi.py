"""The entrance for servers that speak ASGI; the sites are made when a server loads it."""

from __future__ import annotations

import os
from typing import Any

from tests.edges.contract import Message
from tests.edges.servers.sites import asgi_sites

_SITES = asgi_sites()
#: The site that hears when the server starts and ends.
_LIFESPAN = os.environ["SITES_LIFESPAN"]


async def application(scope: Message, receive: Any, send: Any) -> None:
    """Answer as the site that the request is for."""
    host = _LIFESPAN
    if scope["type"] == "http":
        host = next(value.decode() for name, value in scope["headers"] if name == b"host").partition(":")[0]
    await _SITES[host](scope, receive, send)
