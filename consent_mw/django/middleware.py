"""
The middleware, for synchronous and asynchronous projects.

It translates and decides nothing. A streamed page is rewritten as it comes,
its first chunk before the response goes on, so that the head can still say
that the page was refused. A file that is a page is not handed to the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterator
from functools import partial
from http.cookies import Morsel
from typing import TYPE_CHECKING
from typing import Any

from asgiref.sync import iscoroutinefunction
from asgiref.sync import markcoroutinefunction
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.http import StreamingHttpResponse

from consent_mw.django.setup import REQUEST
from consent_mw.django.setup import engine
from consent_mw.engine import MOST_INPUT
from consent_mw.http.asked import AskedDecision
from consent_mw.http.exchange import Exchange
from consent_mw.http.headers import Handling
from consent_mw.http.request import RequestHead
from consent_mw.wsgi import hold_hints

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    GetResponse = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]

DECISION = "consent_mw.decision"
PLACE = "consent_mw.place"


def request_head(request: HttpRequest) -> RequestHead:
    """Return the head of a Django request; Django knows which of its proxies may say that the visitor used https."""
    return RequestHead.from_environ(request.META, scheme=request.scheme or "http", path=request.path_info)


class ConsentMiddleware:
    """
    Hold trackers until the visitor opts in; the first of the project's ``MIDDLEWARE``.

    Raises:
        ConfigError: with every mistake in the setting ``CONSENT``.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self.engine = engine()
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)
            self.engine.patience = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._async:
            return self._answer(request)
        if DECISION in request.META:
            return self._plain(request)
        head = request_head(request)
        if self.engine.owns(head.path, request.META.get("SCRIPT_NAME", "")):
            return self._own_page(request, head)
        exchange = self._exchange(request, head)
        return _Rewrite(exchange, self._plain(request)).sync()

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if DECISION in request.META:
            response: HttpResponseBase = await self.get_response(request)
            return response
        head = request_head(request)
        if self.engine.owns(head.path, request.META.get("SCRIPT_NAME", "")):
            # In a thread: the event loop does not wait for the records.
            return await sync_to_async(self._own_page, thread_sensitive=False)(request, head)
        exchange = self._exchange(request, head)
        return await _Rewrite(exchange, await self.get_response(request)).asynchronous()

    def _plain(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        return response

    def _exchange(self, request: HttpRequest, head: RequestHead) -> Exchange:
        meta = request.META
        exchange = self.engine.exchange(head, meta.get("SCRIPT_NAME", ""), meta.get("REMOTE_ADDR", ""))
        meta[DECISION] = exchange.view.ask
        meta[PLACE] = exchange.place
        request.consent = AskedDecision(exchange.view.ask)
        for name, value in exchange.request_changes().items():
            key = "HTTP_" + name.upper().replace("-", "_")
            meta.pop(key, None)
            if value is not None:
                meta[key] = value
        hold_hints(meta, exchange)
        return exchange

    def _own_page(self, request: HttpRequest, head: RequestHead) -> HttpResponse:
        """Answer a request for the pages under the mount, which are a WSGI application."""
        variables = {name: value for name, value in request.META.items() if isinstance(value, str)}
        body = request.read(MOST_INPUT + 1)
        status, headers, content = self.engine.page(head, {**variables, REQUEST: request}, body)
        response = HttpResponse(content, status=status)
        _set_headers(response, headers)
        return response


class _Rewrite:
    """One response of the project on its way out."""

    def __init__(self, exchange: Exchange, response: HttpResponseBase) -> None:
        self._exchange = exchange
        self._response = response
        headers = [*response.items(), *(("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values())]
        self._handling = exchange.start(response.status_code, response.reason_phrase, headers)

    def sync(self) -> HttpResponseBase:
        """Return what goes out, in a synchronous project."""
        response = self._response
        if isinstance(response, StreamingHttpResponse) and self._handling is not Handling.PASS:
            chunks = iter(response)  # an asynchronous stream is gathered by Django, which warns of it
            first = self._exchange.feed(next(chunks, b""))
            return self._streamed(self._rest(first, chunks))
        return self._at_once()

    async def asynchronous(self) -> HttpResponseBase:
        """Return what goes out, in an asynchronous project."""
        response = self._response
        if isinstance(response, StreamingHttpResponse) and self._handling is not Handling.PASS:
            if not response.is_async:
                # Django would gather the whole of it; each piece comes from its thread instead.
                pieces = iter(response)
                stream = _from_thread(pieces)
            else:
                stream = aiter(response)
            first = self._exchange.feed(await anext(stream, b""))
            return self._streamed(self._rest_async(first, stream))
        return self._at_once()

    def _at_once(self) -> HttpResponseBase:
        exchange, response = self._exchange, self._response
        if self._handling is Handling.PASS:
            _set_headers(response, exchange.outgoing())
            return response
        content = response.content if isinstance(response, HttpResponse) else b""
        whole = exchange.whole(content, last=True)
        body = exchange.feed(content) + exchange.finish() if whole is None else whole
        if exchange.status != response.status_code:
            return self._refusal(body)
        if isinstance(response, HttpResponse):
            response.content = body
        _set_headers(response, exchange.outgoing())
        return response

    def _refusal(self, body: bytes) -> HttpResponse:
        """Return the error page; the project's own response is closed unused."""
        self._response.close()
        refusal = HttpResponse(body, status=self._exchange.status)
        _set_headers(refusal, self._exchange.outgoing())
        return refusal

    def _streamed(self, chunks: Iterator[bytes] | AsyncIterator[bytes]) -> HttpResponseBase:
        exchange, response = self._exchange, self._response
        if exchange.status != response.status_code:
            return self._refusal(exchange.finish())
        assert isinstance(response, StreamingHttpResponse)  # noqa: S101 -- for the type checker
        response.streaming_content = chunks
        # A server that can send files would send this one as it is.
        response.file_to_stream = None
        _set_headers(response, exchange.outgoing())
        return response

    def _rest(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        done = False
        try:
            yield first
            for chunk in chunks:
                yield self._exchange.feed(chunk)
            yield self._exchange.finish()
            done = True
        finally:
            if not done:
                self._exchange.abandon()

    async def _rest_async(self, first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        done = False
        try:
            yield first
            async for chunk in stream:
                yield self._exchange.feed(chunk)
            yield self._exchange.finish()
            done = True
        finally:
            if not done:
                self._exchange.abandon()


async def _from_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(partial(next, pieces, None), thread_sensitive=True)
    while (piece := await following()) is not None:
        yield piece


def _set_headers(response: HttpResponseBase, headers: list[tuple[str, str]]) -> None:
    """Give the response exactly these headers; Django keeps cookies apart from the others."""
    own = {morsel.OutputString(): morsel for morsel in response.cookies.values()}
    for name, _ in list(response.items()):
        del response[name]
    response.cookies.clear()
    for name, value in headers:
        if name.lower() != "set-cookie":
            response[name] = value
            continue
        morsel = own.get(value) or _Verbatim(value)
        # Several cookies may have one name and different domains; Django writes out whatever stands under any key.
        key = morsel.key if morsel.key not in response.cookies else f"{morsel.key} {len(response.cookies)}"
        dict.__setitem__(response.cookies, key, morsel)


class _Verbatim(Morsel[str]):
    """A cookie of our own, which is written out as it is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        name, _, rest = text.partition("=")
        value = rest.partition(";")[0]
        self.set(name, value, value)
        self._text = text

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802 -- the name is Python's
        """Return the text."""
        return self._text
