"""A site on trio's event loop: the vectors of the contract, and streams that wait and end with trio's means."""

from __future__ import annotations

from typing import Any

import trio

from consent_mw import ConsentASGIMiddleware
from tests.edges.contract import VECTORS
from tests.edges.contract import Message
from tests.edges.contract import bare_asgi
from tests.edges.servers.sites import FOLDER
from tests.edges.servers.sites import config
from tests.edges.servers.sites import gate
from tests.edges.servers.sites import kind
from tests.edges.servers.sites import leave
from tests.edges.servers.sites import pieces_of
from tests.edges.servers.sites import state


async def site(scope: Message, receive: Any, send: Any) -> None:
    """Answer a vector, or stream."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] == "websocket":
        await _echo(receive, send)
        return
    if scope["path"].strip("/") in VECTORS:
        await bare_asgi(scope, receive, send)
        return
    query = scope["query_string"].decode()
    headers = [(b"content-type", b"text/plain" if scope["path"] == "/state" else kind(query).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/state":
        await send({"type": "http.response.body", "body": state()})
        return
    first, second = pieces_of(query)
    await send({"type": "http.response.body", "body": first, "more_body": True})
    if scope["path"] == "/waits":
        while not gate(query).exists():
            await trio.sleep(0.01)
        await send({"type": "http.response.body", "body": second})
        return
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hear, receive, nursery.cancel_scope)
            while True:
                await send({"type": "http.response.body", "body": b": more\n\n" * 500, "more_body": True})
                await trio.sleep(0.005)
    finally:
        leave(query, "closed")


async def _hear(receive: Any, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})
    await send({"type": "websocket.close"})


async def _live(receive: Any, send: Any) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


application = ConsentASGIMiddleware(site, config(FOLDER))
