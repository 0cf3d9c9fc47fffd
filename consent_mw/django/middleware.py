"""
The middleware, for synchronous and asynchronous projects.

It translates and decides nothing. A streamed page is rewritten chunk by chunk. The first chunk is rewritten before the
response is returned, so that the status can still be changed if the page is refused. A file that contains a page is not
passed to the server as a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Container
from collections.abc import Iterator
from functools import partial
from http.cookies import Morsel
from threading import get_ident
from typing import TYPE_CHECKING
from typing import Any

from asgiref.sync import iscoroutinefunction
from asgiref.sync import markcoroutinefunction
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.http import StreamingHttpResponse

from consent_mw.asgi import running_task
from consent_mw.core.choice import Decision
from consent_mw.django.setup import REQUEST
from consent_mw.django.setup import administration
from consent_mw.django.setup import check_installed
from consent_mw.django.setup import engine
from consent_mw.engine import MOST_INPUT
from consent_mw.engine import Engine
from consent_mw.http.asked import AskedDecision
from consent_mw.http.asked import Asker
from consent_mw.http.asked import Passage
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

#: Request attributes with which page caches mark a response to be stored: Django's ``cache_page`` and
#: ``UpdateCacheMiddleware``, wagtail-cache. If a view asked for the decision, its response must not be stored.
_PAGE_CACHES = ("_cache_update_cache", "_wagtailcache_update")


def _within(request: HttpRequest) -> bool:
    """
    Return whether the response becomes part of another one that we rewrite, and so must not be rewritten itself.

    This is so if the server's wrapper is ours, and if a view makes a request itself for a part of its response, as
    Wagtail's previews do. The notice then appears once, in the whole page.
    """
    passage = Passage.around(request.META)
    if passage is None:
        return False
    outer: Callable[[], Decision] = request.META[DECISION]

    def ask() -> Decision:
        decision = outer()
        _keep_out_of_caches(request)
        return decision

    request.META[DECISION] = ask
    request.consent = AskedDecision(ask)
    return True


def _keep_out_of_caches(request: HttpRequest) -> None:
    """Keep page caches from storing the response to this request."""
    for flag in _PAGE_CACHES:
        setattr(request, flag, False)


def request_head(request: HttpRequest) -> RequestHead:
    """Return the head of a Django request; Django's own settings decide which proxy header marks https."""
    return RequestHead.from_environ(request.META, scheme=request.scheme or "http", path=request.path_info)


class OwnPage(HttpResponse):
    """A page that is wholly ours though a view answers with it, such as a preview: it is not rewritten."""


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
        check_installed()
        self.engine = engine()
        self._knows_admin = False
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)
            self.engine.wait_for_nobody()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._async:
            return self._answer(request)
        if _within(request):
            return self._plain(request)
        head = request_head(request)
        engine = self._engine(head)
        if engine.owns(head.path, request.META.get("SCRIPT_NAME", "")):
            return self._own_page(engine, request, head)
        exchange = self._exchange(engine, request, head)
        passage: Passage = request.META[Passage.KEY]
        token = passage.enter()
        try:
            response = self._plain(request)
            if isinstance(response, OwnPage):
                passage.open = False
                return response
            return _Rewrite(exchange, response, passage).sync()
        except BaseException:
            passage.open = False
            raise
        finally:
            passage.leave(token)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if _within(request):
            response: HttpResponseBase = await self.get_response(request)
            return response
        head = request_head(request)
        engine = self._engine(head)
        if engine.owns(head.path, request.META.get("SCRIPT_NAME", "")):
            # In a thread, so that the event loop does not wait for the records.
            return await sync_to_async(self._own_page, thread_sensitive=False)(engine, request, head)
        exchange = self._exchange(engine, request, head)
        passage: Passage = request.META[Passage.KEY]
        token = passage.enter()
        try:
            response = await self.get_response(request)
            if isinstance(response, OwnPage):
                passage.open = False
                return response
            return await _Rewrite(exchange, response, passage).asynchronous()
        except BaseException:
            passage.open = False
            raise
        finally:
            passage.leave(token)

    def __getattr__(self, name: str) -> object:
        from consent_mw.engine.wrapping import missing

        raise missing(self, None, name)

    def _engine(self, head: RequestHead) -> Engine:
        """Return the engine for the request's host, with the paths of the project's admin sites."""
        if not self._knows_admin:
            self._knows_admin = True
            self.engine.keep_quiet(administration())
        return self.engine.at(head)

    def _plain(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        return response

    def _exchange(self, engine: Engine, request: HttpRequest, head: RequestHead) -> Exchange:
        meta = request.META
        exchange = engine.exchange(head, meta.get("SCRIPT_NAME", ""), meta.get("REMOTE_ADDR", ""))

        task = running_task() if self._async else None
        asker = Asker(get_ident(), task, lambda names: names.get("request") is request)

        def ask() -> Decision:
            decision = exchange.view.ask(asker)
            if exchange.view.asked:
                _keep_out_of_caches(request)
            return decision

        passage = Passage({DECISION: ask, PLACE: exchange.place})
        meta.update(passage.marks)
        meta[Passage.KEY] = passage
        request.consent = AskedDecision(ask)
        for name, value in exchange.request_changes().items():
            key = "HTTP_" + name.upper().replace("-", "_")
            meta.pop(key, None)
            if value is not None:
                meta[key] = value
        hold_hints(meta, exchange.allowed)
        return exchange

    def _own_page(self, engine: Engine, request: HttpRequest, head: RequestHead) -> HttpResponse:
        """Answer a request for the pages under the mount, which are a WSGI application."""
        variables = {name: value for name, value in request.META.items() if isinstance(value, str)}
        body = request.read(MOST_INPUT + 1)
        status, headers, content = engine.page(head, {**variables, REQUEST: request}, body)
        response = HttpResponse(content, status=status)
        _set_headers(response, headers)
        return response


class _Rewrite:
    """One response of the project that is being rewritten."""

    def __init__(self, exchange: Exchange, response: HttpResponseBase, passage: Passage) -> None:
        self._exchange = exchange
        self._passage = passage
        self._response = response
        headers = [*response.items(), *(("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values())]
        self._handling = exchange.start(response.status_code, response.reason_phrase, headers)

    def sync(self) -> HttpResponseBase:
        """Return the response to send, in a synchronous project."""
        response = self._response
        if isinstance(response, StreamingHttpResponse) and self._handling is not Handling.PASS:
            chunks = iter(response)  # Django collects an asynchronous stream, with a warning
            first = self._exchange.feed(next(chunks, b""))
            return self._streamed(self._rest(first, chunks))
        return self._at_once()

    async def asynchronous(self) -> HttpResponseBase:
        """Return the response to send, in an asynchronous project."""
        response = self._response
        if isinstance(response, StreamingHttpResponse) and self._handling is not Handling.PASS:
            if not response.is_async:
                # Django would collect all of it; instead each chunk is read in a thread.
                pieces = iter(response)
                stream = _from_thread(pieces)
            else:
                stream = aiter(response)
            first = self._exchange.feed(await anext(stream, b""))
            return self._streamed(self._rest_async(first, stream))
        return self._at_once()

    def _at_once(self) -> HttpResponseBase:
        exchange, response = self._exchange, self._response
        self._passage.open = False
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
        """Return the error page; the project's own response is closed without being used."""
        self._passage.open = False
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
        # A server that can send files would send this one unchanged.
        response.file_to_stream = None
        _set_headers(response, exchange.outgoing())
        return response

    def _rest(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        done = False
        try:
            yield first
            while (chunk := self._following(chunks)) is not None:
                yield self._exchange.feed(chunk)
            yield self._exchange.finish()
            done = True
        finally:
            self._passage.open = False
            if not done:
                self._exchange.abandon()

    def _following(self, chunks: Iterator[bytes]) -> bytes | None:
        """Return the next chunk, which the project may make only now; None at the end."""
        token = self._passage.enter()
        try:
            return next(chunks, None)
        finally:
            self._passage.leave(token)

    async def _following_async(self, stream: AsyncIterator[bytes]) -> bytes | None:
        """Return the next chunk of an asynchronous stream; None at the end."""
        token = self._passage.enter()
        try:
            return await anext(stream, None)
        finally:
            self._passage.leave(token)

    async def _rest_async(self, first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        done = False
        try:
            yield first
            while (chunk := await self._following_async(stream)) is not None:
                yield self._exchange.feed(chunk)
            yield self._exchange.finish()
            done = True
        finally:
            self._passage.open = False
            if not done:
                self._exchange.abandon()


async def _from_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(partial(next, pieces, None), thread_sensitive=True)
    while (piece := await following()) is not None:
        yield piece


def _set_headers(response: HttpResponseBase, headers: list[tuple[str, str]]) -> None:
    """Set exactly these headers on the response; Django stores cookies separately from the others."""
    own = {morsel.OutputString(): morsel for morsel in response.cookies.values()}
    for name, _ in list(response.items()):
        del response[name]
    response.cookies.clear()
    for name, value in headers:
        if name.lower() != "set-cookie":
            response[name] = value
            continue
        morsel = own.get(value) or _Verbatim(value)
        # Several cookies may have one name and different domains. Django ignores the keys when it writes them.
        key = morsel.key if morsel.key not in response.cookies else f"{morsel.key} {len(response.cookies)}"
        dict.__setitem__(response.cookies, key, morsel)


class _Verbatim(Morsel[str]):
    """A cookie whose Set-Cookie value is written verbatim."""

    def __init__(self, text: str) -> None:
        super().__init__()
        name, _, rest = text.partition("=")
        value = rest.partition(";")[0]
        self.set(name, value, value)
        self._text = text

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802 -- the name is Python's
        """Return the text."""
        return self._text
