"""
The ASGI edge (ASGI 3.0, HTTP version 2.5): ``app = ConsentASGIMiddleware(app)``.

It translates and decides nothing. Of the lifespan, only the shutdown is observed, and of a WebSocket, only the headers
of the handshake; everything else that is not HTTP passes unchanged. Responses that are not HTML go out message by
message as the app sent them, including files by path and zero-copy sends. A page is rewritten and sent chunk by chunk;
its head is held until the first chunk. As in the WSGI edge, an exchange is made when something needs it.

The pages under the mount are a WSGI application. They run in a thread, so that the event loop never waits for the
records.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import MutableMapping
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from consent_mw.http.asgi_scope import path_of
from consent_mw.http.asgi_scope import request_head
from consent_mw.http.asgi_scope import root_of
from consent_mw.http.asked import Asker
from consent_mw.http.asked import Passage
from consent_mw.http.request import RequestHead

if TYPE_CHECKING:
    from asyncio import Task

    from consent_mw.core.choice import Decision
    from consent_mw.core.model import Site
    from consent_mw.engine import Engine
    from consent_mw.http.exchange import Exchange

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: Each framework has its own types for the messages.
ASGIApp = Callable[..., Awaitable[None]]

_log = logging.getLogger("consent_mw")

DECISION = "consent_mw.decision"
PLACE = "consent_mw.place"

_T = TypeVar("_T")

#: Bytes that are read at once from a page that is sent by its path.
_PIECE = 65_536


class _Bound(partial[Coroutine[Any, Any, None]]):
    """The bound ``__call__`` of a middleware; for inspection it is a coroutine function, as servers require."""

    def __call__(self, *given: Any, **named: Any) -> Coroutine[Any, Any, None]:
        """
        Handle an event, or name the mistake if the object was called like its class.

        A call with nothing raises a TypeError as usual: Uvicorn makes one to see whether an application is a factory.
        """
        if (given or named) and (len(given) + len(named) != 3 or named.keys() > {"scope", "receive", "send"}):
            from consent_mw.engine.wrapping import called_like_class

            raise called_like_class(self.args[0], given)
        return self.func(*self.args, *given, **named)


class _Entrance:
    """
    A method ``__call__`` that is checked before it makes its coroutine.

    ``add_middleware`` of Starlette calls what it was given with the application as the only argument.
    """

    def __init__(self, call: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self._call = call

    def __get__(self, middleware: object, owner: object = None) -> Callable[..., Coroutine[Any, Any, None]]:
        return self._call if middleware is None else _Bound(self._call, middleware)


class ConsentASGIMiddleware:
    """
    Wrap an ASGI application, so that trackers wait for the visitor's consent.

    Args:
        app: The application.
        config: The path of a TOML file, a mapping of the same form, a :class:`Site`, or None. With None every known
            tracker is held, and visitors are asked about those that turn up in the pages.

    Raises:
        ConfigError: with every mistake in ``config``.
    """

    _called = False

    def __init__(
        self, app: ASGIApp, config: None | str | os.PathLike[str] | Mapping[str, object] | Site = None
    ) -> None:
        from consent_mw.engine import Engine  # imported here, so that importing this module stays cheap
        from consent_mw.engine.wrapping import check_asgi

        check_asgi(app)
        self.app = app
        self.engine: Engine = Engine.configured(config)
        made_by = sys._getframe(1)
        #: The line that created this object. If it is also the line that discards it, the wrapper was not kept.
        self._made = (made_by.f_code, made_by.f_lineno)
        # The event loop serves all requests, so it must not wait until discovered services are stored.
        self.engine.wait_for_nobody()

    @_Entrance
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(self.engine, self.app, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, _socket_send(self.engine, scope, send))
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self._called:
            self._begin(scope)
        if Passage.around(scope) is not None:
            self._refuse_itself()
            await self.app(scope, receive, send)
            return
        engine = self.engine
        if engine.is_one_of_several:
            engine = engine.at(request_head(scope))
        if engine.owns(path_of(scope), root_of(scope)):
            await _serve(engine, scope, request_head(scope), receive, send)
            return
        response = _AsgiResponse(engine, scope, send)
        # Pass on the same scope object: middleware around us reads the route and endpoint from it.
        headers, passage = scope["headers"], Passage({DECISION: response.ask, PLACE: response.place})
        if engine.waits_for_response and engine.fields_stay(headers, engine.coding_names()):
            scope["headers"] = list(headers)
        else:
            scope["headers"] = _request_headers(scope, response.exchange)
        scope.update(passage.marks)
        scope[Passage.KEY] = passage
        token = passage.enter()
        try:
            await self.app(scope, receive, response.send)
        finally:
            passage.leave(token)
            passage.open = False
            scope["headers"] = headers
            response.end()

    def close(self) -> None:
        """Write pending counts and close the records; this also happens when the process ends."""
        self.engine.close()

    def __del__(self) -> None:
        frame = sys._getframe().f_back
        made = self.__dict__.get("_made")
        if made is not None and frame is not None and not self._called and made == (frame.f_code, frame.f_lineno):
            from consent_mw.engine.wrapping import warn_of_discarded

            warn_of_discarded(self, self.app)

    def _begin(self, scope: Scope) -> None:
        from consent_mw.engine.wrapping import warn_of_route

        self._called = True
        warn_of_route(scope)

    def __getattr__(self, name: str) -> object:
        from consent_mw.engine.wrapping import missing

        raise missing(self, self.__dict__.get("app"), name)

    def _refuse_itself(self) -> None:
        from consent_mw.engine.wrapping import self_wrapped

        if (error := self_wrapped(self.app, self)) is not None:
            raise error


def running_task() -> Task[Any] | None:
    """Return the current task of asyncio, or None, such as in another event loop."""
    running = sys.modules.get("asyncio")
    return running.current_task() if running is not None and running._get_running_loop() is not None else None


class _AsgiResponse:
    """One response; its head is held until the first chunk of its body is known. Its exchange is made when needed."""

    _made: Exchange | None = None
    _start: Message | None = None
    _passes = False
    _finished = False

    def __init__(self, engine: Engine, scope: Scope, send: Send) -> None:
        self._engine = engine
        self._scope = dict(scope)  # others may change it later
        self._send = send
        self._thread = get_ident()
        self._task = running_task()

    @property
    def exchange(self) -> Exchange:
        """The exchange for this request."""
        if self._made is None:
            scope = self._scope
            remote = scope["client"][0] if scope.get("client") else ""
            self._made = self._engine.exchange(request_head(scope), root_of(scope), remote)
        return self._made

    def ask(self) -> Decision:
        """Return the decision for the application."""
        return self.exchange.view.ask(Asker(self._thread, self._task, self._owns))

    def _owns(self, names: Mapping[str, Any]) -> bool:
        """Whether a function with these local variables handles the request: it has the scope."""
        scope = names.get("scope")
        return isinstance(scope, dict) and scope.get(DECISION) == self.ask

    def place(self) -> str:
        """Return the marker for the banner's place."""
        return self.exchange.place()

    def __deepcopy__(self, memo: object) -> _AsgiResponse:
        """Return the same response: some middleware copies the whole request, with the two functions above in it."""
        return self

    async def send(self, message: Message) -> None:
        """Accept a message from the app."""
        kind = message["type"]
        if kind == "http.response.start":
            await self._take_head(message)
        elif kind == "http.response.early_hint":
            await self._hint(message)
        elif kind == "http.response.push" and self.exchange.holds(message.get("path", "")):
            return
        elif kind == "http.response.trailers":
            await self._trail(message)
        elif self._passes:
            self._finished = self._finished or not message.get("more_body")
            await self._send(message)
        elif kind == "http.response.body":
            await self._take_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.pathsend":
            await self._read_path(message["path"])
        elif kind == "http.response.zerocopysend":
            await self._read_file(message)
        else:
            await self._send(message)

    def end(self) -> None:
        """Finish the response; if the app failed or the client disconnected, buffered bytes are not sent."""
        if self._made is not None and not self._finished:
            self._made.abandon()

    async def _take_head(self, message: Message) -> None:
        raw = message.get("headers", ())
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
        if self._made is None and not self._passes and self._engine.passes(message["status"], headers):
            # Neither the visitor nor the request's headers matter.
            self._engine.note_request()
            self._passes = True
            await self._send({**message, "headers": [(name.lower(), value) for name, value in raw]})
            return
        self.exchange.start(message["status"], "", headers)
        self._start = message
        self._passes = self.exchange.passes
        if self._passes:
            await self._send_head()

    async def _send_head(self) -> None:
        message, self._start = self._start, None
        if message is not None:
            exchange = self.exchange
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in exchange.outgoing()]
            await self._send({**message, "status": exchange.status, "headers": headers})

    async def _take_body(self, body: bytes, more: bool) -> None:
        if self._finished:
            return
        exchange = self.exchange
        if more:
            out = exchange.feed(body)
        else:
            whole = exchange.whole(body, last=True) if self._start is not None else None
            out = exchange.feed(body) + exchange.finish() if whole is None else whole
            self._finished = True
        await self._send_head()
        if out or not more:
            await self._send({"type": "http.response.body", "body": out, "more_body": more})

    async def _read_path(self, path: str) -> None:
        """Rewrite a page that the app sends by its path (ASGI extension http.response.pathsend)."""
        file = await _in_thread(lambda: open(path, "rb"))  # noqa: SIM115 -- closed below; each read runs in a thread
        try:
            while piece := await _in_thread(lambda: file.read(_PIECE)):
                await self._take_body(piece, more=True)
        finally:
            file.close()
        await self._take_body(b"", more=False)

    async def _read_file(self, message: Message) -> None:
        """Rewrite a page that the app sends from an open file (ASGI extension http.response.zerocopysend)."""
        number = message["file"].fileno()
        at = message.get("offset")
        left = message.get("count")
        while left is None or left > 0:
            size = _PIECE if left is None else min(left, _PIECE)
            if at is None:
                piece = await _in_thread(partial(os.read, number, size))
            else:
                piece = await _in_thread(partial(os.pread, number, size, at))
                at += len(piece)
            if not piece:
                break
            left = left if left is None else left - len(piece)
            await self._take_body(piece, more=True)
        if not message.get("more_body", False):
            await self._take_body(b"", more=False)

    async def _trail(self, message: Message) -> None:
        """Send the trailers, without those that the rewriting makes wrong (ASGI extension for trailers)."""
        given = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in message["headers"]]
        kept = self.exchange.allowed(given) if self._passes else self.exchange.trailers(given)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in kept]
        await self._send({**message, "headers": headers})

    async def _hint(self, message: Message) -> None:
        """Send early hints (RFC 8297), without those to held services."""
        links = [("link", bytes(link).decode("latin-1")) for link in message.get("links", ())]
        kept = [value.encode("latin-1") for _, value in self.exchange.allowed(links)]
        if kept:
            await self._send({**message, "links": kept})


# -- WebSockets

#: Messages that answer the handshake (ASGI, WebSocket 2.5: Accept, Denial Response). Browsers take cookies from both.
_HANDSHAKES = frozenset(["websocket.accept", "websocket.http.response.start"])
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


def _socket_send(engine: Engine, scope: Scope, send: Send) -> Send:
    """Return ``send`` for a WebSocket: headers of its handshake lose what is held for the visitor."""
    request = {**scope, "method": "GET", "scheme": _HTTP_SCHEMES.get(scope.get("scheme", "ws"), "http")}

    async def sender(message: Message) -> None:
        if message["type"] in _HANDSHAKES and message.get("headers"):
            message = {**message, "headers": _allowed_in_handshake(engine, request, message["headers"])}
        await send(message)

    return sender


def _allowed_in_handshake(
    engine: Engine, request: Scope, raw: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    head = request_head(request)
    engine = engine.at(head) if engine.is_one_of_several else engine
    given = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in raw]
    kept = engine.exchange(head, root_of(request)).allowed(given)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]


# -- the life of the process


async def live(engine: Engine, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """
    Write pending counts before the server learns that the app has shut down (ASGI, Lifespan Protocol).

    Afterwards some servers end the process without running exit handlers: Uvicorn re-raises the signal that stopped it.
        If the app does not support lifespan, we answer for it.
    """
    heard = False

    async def hear() -> Message:
        nonlocal heard
        heard = True
        return await receive()

    async def say(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            await _in_thread(engine.settle)
        await send(message)

    try:
        await app(scope, hear, say)
    except Exception as error:
        if heard:
            raise
        _log.debug("the application knows no lifespan: %s", error)
    while not heard:
        kind = (await receive())["type"]
        await say({"type": f"{kind}.complete"})
        heard = kind == "lifespan.shutdown"


# -- the pages under the mount


async def _serve(engine: Engine, scope: Scope, head: RequestHead, receive: Receive, send: Send) -> None:
    """Answer a request for our own pages."""
    from consent_mw.engine import MOST_INPUT  # already loaded by the middleware

    body = await _body(receive, MOST_INPUT)
    if body is None:
        return
    status, headers, content = await _in_thread(partial(engine.page, head, _variables(scope, head), body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def _body(receive: Receive, most: int) -> bytes | None:
    """Return the request body, read to just beyond the accepted size; None if the client disconnected."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False) or size > most:
            return b"".join(parts)


def _variables(scope: Scope, head: RequestHead) -> dict[str, object]:
    """Return the CGI variables of the request (RFC 3875, section 4.1)."""
    server = scope.get("server") or ("localhost", None)
    found = {
        "SCRIPT_NAME": root_of(scope).encode().decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "",
    }
    for name, value in head.headers:
        key = name.upper().replace("-", "_")
        if "_" in name:
            continue  # a header that could be mistaken for another one (CVE-2015-0219)
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        joint = "; " if name == "cookie" else ","
        found[key] = f"{found[key]}{joint}{value}" if key in found else value
    return {**found}


# -- translation to and from ASGI


def _request_headers(scope: Scope, exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """Return the request headers that the app may see."""
    found = exchange.request_changes()
    if not found:
        return list(scope["headers"])
    changes = {name.encode("latin-1"): value for name, value in found.items()}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in changes]
    headers += [(name, value.encode("latin-1")) for name, value in changes.items() if value is not None]
    return headers


async def _in_thread(call: Callable[[], _T]) -> _T:
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        result: _T = await trio.to_thread.run_sync(call)
        return result
    import asyncio  # already loaded by every server that uses it

    return await asyncio.to_thread(call)
