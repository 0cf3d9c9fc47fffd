"""
The WSGI edge (PEP 3333): ``app = ConsentMiddleware(app)``.

It translates and decides nothing. A response that is not HTML goes out as the app's own iterable, so that
``wsgi.file_wrapper`` works. A page is rewritten and sent chunk by chunk; its head is held until the first chunk.
``close()`` is called exactly once, even if the client disconnects.

Most responses are not pages and must cost next to nothing, but with cold processor caches, each function call takes a
microsecond or more. So the exchange of a request is created only when something needs it: the request's headers, a
view, or a response that may not simply pass.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import MutableMapping
from collections.abc import Sequence
from threading import get_ident
from typing import TYPE_CHECKING
from typing import Any

from consent_mw.http.asked import Asker
from consent_mw.http.asked import Passage
from consent_mw.http.request import RequestHead

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

    from consent_mw.core.choice import Decision
    from consent_mw.core.model import Site
    from consent_mw.engine import Engine
    from consent_mw.http.exchange import Exchange
    from consent_mw.http.headers import Headers

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None

DECISION = "consent_mw.decision"
#: The key in the environ or scope of the function that returns the marker for the banner's place.
PLACE = "consent_mw.place"
#: The key under which gunicorn offers to send early hints.
EARLY_HINTS = "wsgi.early_hints"


def hold_hints(environ: MutableMapping[str, Any], allowed: Callable[[Sequence[tuple[str, str]]], Headers]) -> None:
    """
    Remove held services from early hints (RFC 8297), which gunicorn sends ahead of the response.

    Args:
        allowed: :meth:`Exchange.allowed` of the request.
    """
    send = environ.get(EARLY_HINTS)
    if send is None:
        return

    def hint(headers: Iterable[tuple[str | bytes, str | bytes]]) -> None:
        kept = allowed([(_text(name), _text(value)) for name, value in headers])
        if kept:
            send(kept)

    environ[EARLY_HINTS] = hint


def _text(given: str | bytes) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else given


class ConsentMiddleware:
    """
    Wrap a WSGI application, so that trackers wait for the visitor's consent.

    Args:
        app: The application.
        config: The path of a TOML file, a mapping of the same form, a :class:`Site`, or None. With None every known
            tracker is held, and visitors are asked about those that turn up in the pages.

    Raises:
        ConfigError: with every mistake in ``config``.
    """

    _called = False

    def __init__(
        self, app: WSGIApplication, config: None | str | os.PathLike[str] | Mapping[str, object] | Site = None
    ) -> None:
        from consent_mw.engine import Engine  # imported here, so that importing this module stays cheap
        from consent_mw.engine.wrapping import check_wsgi

        check_wsgi(app)
        self.app = app
        self.engine: Engine = Engine.configured(config)
        made_by = sys._getframe(1)
        #: The line that created this object. If it is also the line that discards it, the wrapper was not kept.
        self._made = (made_by.f_code, made_by.f_lineno)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse | None = None) -> Iterable[bytes]:
        if start_response is None:  # a framework calls this object like its class
            from consent_mw.engine.wrapping import called_like_class

            raise called_like_class(self, (environ,))
        self._called = True
        if Passage.around(environ) is not None:
            self._refuse_itself()
            return self.app(environ, start_response)
        engine = self.engine
        if engine.is_one_of_several:
            engine = engine.at(RequestHead.from_environ(environ))
        if engine.owns(environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")):
            return engine.web(environ, start_response)
        response = _WsgiResponse(engine, environ, start_response)
        if not (engine.waits_for_response and engine.variables_stay(environ, engine.coding_names())):
            response.change_request(environ)
        passage = Passage({DECISION: response.ask, PLACE: response.place})
        environ.update(passage.marks)
        environ[Passage.KEY] = passage
        if EARLY_HINTS in environ:
            hold_hints(environ, response.allowed)
        token = passage.enter()
        try:
            body = self.app(environ, response.start)
        except BaseException:
            passage.open = False
            raise
        finally:
            passage.leave(token)
        if response.passes:
            # A file or another body that is not rewritten: the server gets the app's own object.
            passage.open = False
            return body
        page = _Body(response, body, passage)
        page.begin()
        return page

    def close(self) -> None:
        """Write pending counts and close the records; this also happens when the process ends."""
        self.engine.close()

    def __del__(self) -> None:
        frame = sys._getframe().f_back
        made = self.__dict__.get("_made")
        if made is not None and frame is not None and not self._called and made == (frame.f_code, frame.f_lineno):
            from consent_mw.engine.wrapping import warn_of_discarded

            warn_of_discarded(self, self.app)

    def __getattr__(self, name: str) -> object:
        from consent_mw.engine.wrapping import missing

        raise missing(self, self.__dict__.get("app"), name)

    def _refuse_itself(self) -> None:
        from consent_mw.engine.wrapping import self_wrapped

        if (error := self_wrapped(self.app, self)) is not None:
            raise error


class _WsgiResponse:
    """The head of one response, held until the first chunk of its body is known; its exchange is made when needed."""

    _exchange: Exchange | None = None
    _exc_info: ExcInfo = None
    _sent = False
    passes = False

    def __init__(self, engine: Engine, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._engine = engine
        self._environ = dict(environ)  # the application may change its own
        self._start_response = start_response
        self._thread = get_ident()
        self._server_write: Callable[[bytes], object] = _write_nothing

    @property
    def exchange(self) -> Exchange:
        """The exchange for this request."""
        if self._exchange is None:
            environ = self._environ
            head = RequestHead.from_environ(environ, copied=True)
            script_name, remote = environ.get("SCRIPT_NAME", ""), environ.get("REMOTE_ADDR", "")
            self._exchange = self._engine.exchange(head, script_name, remote)
        return self._exchange

    def change_request(self, environ: WSGIEnvironment) -> None:
        """Change the headers that the application may not see."""
        for name, value in self.exchange.request_changes().items():
            key = "HTTP_" + name.upper().replace("-", "_")
            environ.pop(key, None)
            if value is not None:
                environ[key] = value

    def ask(self) -> Decision:
        """Return the decision for the application."""
        return self.exchange.view.ask(Asker(self._thread))

    def place(self) -> str:
        """Return the marker for the banner's place."""
        return self.exchange.place()

    def __deepcopy__(self, memo: object) -> _WsgiResponse:
        """Return the same response: some middleware copies the whole request, with the two functions above in it."""
        return self

    def allowed(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the early hints without those to held services."""
        return self.exchange.allowed(headers)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo = None) -> Callable[[bytes], object]:
        """Accept the app's head (PEP 3333, start_response)."""
        if exc_info is not None and self._sent:
            try:
                if exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no circular reference
        code, space, reason = status.partition(" ")
        untouched = self._exchange is None and exc_info is None and not self._sent
        if untouched and space and self._engine.passes(int(code), headers):
            # Neither the visitor nor the request's headers matter.
            self._engine.note_request()
            self.passes = self._sent = True
            self._server_write = self._start_response(status, headers)
            return self._server_write
        if exc_info is None and (self.passes or self.exchange.status):
            raise AssertionError("start_response was called twice without exc_info (PEP 3333)")
        self._exc_info = exc_info
        exchange = self.exchange
        exchange.start(int(code), reason, headers)
        self.passes = exchange.passes
        if self.passes:
            return self.send_head()
        return self.write

    def send_head(self) -> Callable[[bytes], object]:
        """Send the head, once."""
        if not self._sent or self._exc_info is not None:
            exchange = self.exchange
            status = f"{exchange.status} {exchange.reason}"
            if self._exc_info is None:
                self._server_write = self._start_response(status, exchange.outgoing())
            else:
                exc_info, self._exc_info = self._exc_info, None
                self._server_write = self._start_response(status, exchange.outgoing(), exc_info)
            self._sent = True
        return self._server_write

    def write(self, data: bytes) -> None:
        """Rewrite a chunk that an app sends through the legacy write callable (PEP 3333)."""
        out = self.exchange.feed(data)
        self.send_head()(out)


def _write_nothing(data: bytes) -> None:
    """Stand for the server's function until there is one."""


class _Body:
    """The rewritten body of one response."""

    def __init__(self, response: _WsgiResponse, body: Iterable[bytes], passage: Passage) -> None:
        self._response = response
        self._passage = passage
        self._exchange = response.exchange
        self._body = body
        self._chunks: Iterator[bytes] | None = None
        self._first: bytes | None = None
        self._finished = False
        self._closed = False

    def begin(self) -> None:
        """
        Take the first chunk, and so send the head.

        A server may iterate only later, but Granian uses the status and headers that are known when the application
        returns: without this, every page would go out as 200 without headers, even a refused one.
        """
        try:
            self._first = next(self, None)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._finished:
            raise StopIteration
        exchange = self._exchange
        try:
            chunk = self._following()
        except StopIteration:
            self._finished = True
            self._passage.open = False
            out = exchange.finish()
            self._response.send_head()
            if not out:
                raise
            return out
        except BaseException:
            exchange.abandon()
            raise
        # A list with one item is the whole body, as for servers (PEP 3333, "Handling the Content-Length Header").
        last = isinstance(self._body, list | tuple) and len(self._body) == 1
        whole = exchange.whole(chunk, last=last)
        out = exchange.feed(chunk) if whole is None else whole
        self._response.send_head()
        return out

    def _following(self) -> bytes:
        """Return the next chunk of the app's, which the app may make only now."""
        token = self._passage.enter()
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            return next(self._chunks)
        finally:
            self._passage.leave(token)

    def close(self) -> None:
        """Close the app's iterable, once."""
        if self._closed:
            return
        self._closed = True
        self._passage.open = False
        try:
            if not self._finished:
                self._exchange.abandon()
        finally:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()


def current(environ: Mapping[str, object]) -> Decision:
    """
    Return the consent decision for this request.

    Args:
        environ: The WSGI environ, or the ASGI scope.

    Raises:
        LookupError: The application is not wrapped.
    """
    decision: Decision = asking(environ)()
    return decision


def asking(environ: Mapping[str, object]) -> Callable[[], Decision]:
    """
    Return a function that returns the decision of this request; nothing is decided before it is called.

    Raises:
        LookupError: The application is not wrapped.
    """
    ask = environ.get(DECISION)
    if not callable(ask):
        raise LookupError("no consent decision for this request: wrap the application with ConsentMiddleware")
    return ask


def consent_banner(environ: Mapping[str, object]) -> str:
    """
    Return markup that marks the place of the banner, instead of first in the body.

    The marker itself is invisible; the banner is inserted after it, once. Put it into the page before any of the page
    is sent: if a template streams, the banner may already have been sent.

    Args:
        environ: The WSGI environ, or the ASGI scope.

    Raises:
        LookupError: The application is not wrapped.
    """
    place = environ.get(PLACE)
    if not callable(place):
        raise LookupError("no place for a banner in this request: wrap the application with ConsentMiddleware")
    return str(place())
