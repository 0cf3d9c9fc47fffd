"""
One contract for every edge: responses of applications, and sites in every framework that send them.

A vector is a response of an application. Each site answers with a vector at the path of its name, with the means of its
framework, inside the edge that its owner would use. The result must be the same everywhere.
"""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from wsgiref.util import setup_testing_defaults

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from tests.running import run

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

Config = Mapping[str, object]

HELD = '<script async src="https://www.google-analytics.com/analytics.js"></script>'
TEXT = f"<!doctype html><html lang=en><title>t</title><body><h1>Zoë</h1><p>{'text ' * 50}{HELD}<p>end</body></html>"


@dataclass(frozen=True, slots=True)
class Vector:
    """A response: its status, its type, its other headers, and its body in pieces; a single piece is not streamed."""

    pieces: tuple[bytes, ...]
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


def _cut(data: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(data[at : at + size] for at in range(0, len(data), size))


_PAGE = TEXT.encode()
_HELD_HOST = "https://www.google-analytics.com"
VECTORS: Mapping[str, Vector] = {
    "page": Vector((_PAGE,)),
    "stream": Vector(_cut(_PAGE, 11)),
    "latin": Vector((TEXT.encode("latin-1"),), "text/html; charset=iso-8859-1"),
    "wide": Vector((TEXT.encode("utf-16"),), "text/html; charset=utf-16"),
    "fragment": Vector((b"<p>piece" + HELD.encode(),)),
    "missing": Vector((_PAGE,), status=404),
    "moved": Vector((_PAGE,), status=302, headers=(("Location", "/page"),)),
    "json": Vector((b'{"html": "' + HELD.replace('"', "'").encode() + b'"}',), "application/json"),
    "image": Vector((b"\x89PNG" + bytes(range(256)),), "image/png"),
    "events": Vector((b"data: 1\n\n", b"data: " + HELD.encode() + b"\n\n"), "text/event-stream"),
    "gzip": Vector((gzip.compress(_PAGE, mtime=0),), headers=(("Content-Encoding", "gzip"),)),
    "gzip-stream": Vector(_cut(gzip.compress(_PAGE, mtime=0), 50), headers=(("Content-Encoding", "gzip"),)),
    "unreadable": Vector((b"xyz" * 99,), headers=(("Content-Encoding", "x-own"),)),
    "damaged": Vector((b"xyz" * 99,), headers=(("Content-Encoding", "gzip"),)),
    "part": Vector((_PAGE[:100],), status=206, headers=(("Content-Range", f"bytes 0-99/{len(_PAGE)}"),)),
    "links": Vector((_PAGE,), headers=(("Link", f"<{_HELD_HOST}>; rel=preconnect, </a.css>; rel=preload"),)),
    "policy": Vector((_PAGE,), headers=(("Content-Security-Policy", "default-src 'self'"),)),
    "nonce": Vector((_PAGE,), headers=(("Content-Security-Policy", "script-src 'nonce-abc'; style-src 'nonce-abc'"),)),
    "cached": Vector((_PAGE,), headers=(("Cache-Control", "public, max-age=600"), ("ETag", '"1"'))),
    "dated": Vector((_PAGE,), headers=(("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Expires", "0"))),
    "fresh": Vector((b"",), status=304, headers=(("Cache-Control", "public, max-age=600"), ("ETag", '"1"'))),
    "handed": Vector((b"",), headers=(("X-Accel-Redirect", "/page"),)),
    "preloading": Vector((b"p{}",), "text/css", headers=(("Link", f"<{_HELD_HOST}>; rel=preconnect"), ("ETag", '"1"'))),
    "file-part": Vector((b"\x89PNG",), "image/png", 206, (("Content-Range", "bytes 0-3/260"), ("ETag", '"1"'))),
    "file-parts": Vector(
        (b"--x\r\nContent-Type: image/png\r\nContent-Range: bytes 0-0/260\r\n\r\n\x89\r\n--x--\r\n",),
        "multipart/byteranges; boundary=x",
        206,
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The response that a visitor gets: the status, the headers that concern the edge, and the body."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes


#: Headers that servers and frameworks add.
_THEIRS = frozenset({"server", "date", "x-content-type-options", "transfer-encoding", "connection"})

Ask = Callable[[str, str, Mapping[str, str], bytes], Answer]


def answer(status: int, headers: list[tuple[str, str]], body: bytes) -> Answer:
    """Return the answer with these parts."""
    kept: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _THEIRS:
            kept.setdefault(name.lower(), []).append(value.strip())
    if status == 304:
        kept.pop("content-type", None)  # without a body it means nothing, and some frameworks leave it out
    # A length must be that of the body; frameworks differ on whether they send one.
    for length in kept.pop("content-length", []):
        assert int(length) == len(body), f"Content-Length: {length}, but {len(body)} bytes came"
    return Answer(status, {name: sorted(values) for name, values in sorted(kept.items())}, body)


def _of_a_body(headers: list[tuple[str, str]], method: str) -> list[tuple[str, str]]:
    """Return the headers; for HEAD, without the length, since there is no body."""
    return [pair for pair in headers if method != "HEAD" or pair[0].lower() != "content-length"]


# -- calling applications like a server


def ask_wsgi(app: WSGIApplication, scheme: str = "https") -> Ask:
    """Return a function that calls a WSGI application as a server does."""

    def ask(path: str, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = path.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": scheme,
            "HTTP_HOST": "shop.example",
        }
        environ.update({f"HTTP_{n.upper().replace('-', '_')}": v for n, v in headers.items() if n != "content-type"})
        setup_testing_defaults(environ)
        started: list[tuple[str, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            started[:] = [(status, headers)]
            return written.append

        result = app(environ, start_response)
        try:
            written.extend(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        status, given = started[0]
        return answer(int(status[:3]), _of_a_body(given, method), b"".join(written))

    return ask


Message = MutableMapping[str, Any]
ASGIApp = Callable[..., Awaitable[None]]


def ask_asgi(app: ASGIApp, scheme: str = "https", loop: Callable[..., None] = run) -> Ask:
    """Return a function that calls an ASGI application as a server does, by default in a new loop each time."""

    def ask(path: str, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = path.partition("?")
        raw = {"host": "shop.example", "content-length": str(len(body)), **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 443),
            "extensions": {},
            "state": {},
        }
        sent: list[Message] = []

        async def visit() -> None:
            asked = False

            async def receive() -> Message:
                nonlocal asked
                if asked:
                    await asyncio.sleep(3600)  # the visitor stays
                asked = True
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Message) -> None:
                sent.append(message)

            await app(scope, receive, send)

        loop(visit())
        (start,) = (message for message in sent if message["type"] == "http.response.start")
        assert [m.get("more_body", False) for m in sent if m["type"] == "http.response.body"][-1] is False
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return answer(start["status"], _of_a_body(given, method), b"".join(m.get("body", b"") for m in sent))

    return ask


# -- the sites


def plain_wsgi(config: Config) -> WSGIApplication:
    """Plain PEP 3333."""
    return ConsentMiddleware(bare_wsgi, config)


def bare_wsgi(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterator[bytes]:
    """Answer each vector without a framework."""
    vector = VECTORS[environ["PATH_INFO"].strip("/")]
    start_response(f"{vector.status} X", [("Content-Type", vector.kind), *vector.headers])
    yield from vector.pieces


def flask(config: Config) -> WSGIApplication:
    """Flask, with the extension."""
    from flask import Flask
    from flask import Response

    from consent_mw.flask import Consent

    app = Flask(__name__)

    @app.get("/<name>")
    def page(name: str) -> Response:
        vector = VECTORS[name]
        body = vector.body if len(vector.pieces) == 1 else iter(vector.pieces)
        return Response(body, vector.status, list(vector.headers), content_type=vector.kind)

    Consent(app, config)
    return app


def bottle(config: Config) -> WSGIApplication:
    """Bottle, inside the middleware."""
    from bottle import Bottle
    from bottle import HTTPResponse

    app = Bottle()

    @app.get("/<name>")  # type: ignore[untyped-decorator]
    def page(name: str) -> object:
        vector = VECTORS[name]
        body = vector.body if len(vector.pieces) == 1 else iter(vector.pieces)
        return HTTPResponse(body, vector.status, {"Content-Type": vector.kind, **dict(vector.headers)})

    return ConsentMiddleware(app, config)


def falcon(config: Config) -> WSGIApplication:
    """Falcon, inside the middleware."""
    from falcon import App

    class Page:
        def on_get(self, request: Any, response: Any, name: str) -> None:
            vector = VECTORS[name]
            response.status = vector.status
            response.content_type = vector.kind
            for header, value in vector.headers:
                response.set_header(header, value)
            if len(vector.pieces) == 1:
                response.data = vector.body
            else:
                response.stream = iter(vector.pieces)

    app = App()
    app.add_route("/{name}", Page())
    return ConsentMiddleware(app, config)


def plain_asgi(config: Config) -> ASGIApp:
    """Plain ASGI 3."""
    return ConsentASGIMiddleware(bare_asgi, config)


async def bare_asgi(scope: Message, receive: Any, send: Any) -> None:
    """Answer each vector without a framework."""
    vector = VECTORS[scope["path"].strip("/")]
    headers = [(b"content-type", vector.kind.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in vector.headers]
    await send({"type": "http.response.start", "status": vector.status, "headers": headers})
    for number, piece in enumerate(vector.pieces, 1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(vector.pieces)})


def starlette(config: Config) -> ASGIApp:
    """Starlette, inside the middleware."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def page(request: Request) -> Response:
        response: Response = _starlette_response(VECTORS[request.path_params["name"]])
        return response

    return ConsentASGIMiddleware(Starlette(routes=[Route("/{name}", page)]), config)


def fastapi(config: Config) -> ASGIApp:
    """FastAPI, inside the middleware."""
    from fastapi import FastAPI
    from starlette.responses import Response

    app = FastAPI()

    def page(name: str) -> Response:
        response: Response = _starlette_response(VECTORS[name])
        return response

    app.add_api_route("/{name}", page, methods=["GET", "HEAD"], response_model=None)
    return ConsentASGIMiddleware(app, config)


def _starlette_response(vector: Vector) -> Any:
    from starlette.responses import Response
    from starlette.responses import StreamingResponse

    headers = {"content-type": vector.kind, **dict(vector.headers)}
    if len(vector.pieces) == 1:
        return Response(vector.body, vector.status, headers)
    return StreamingResponse(_pieces(vector), vector.status, headers)


def quart(config: Config) -> ASGIApp:
    """Quart, inside the middleware."""
    from quart import Quart
    from quart import Response

    app = Quart(__name__)

    @app.get("/<name>")
    async def page(name: str) -> Response:
        vector = VECTORS[name]
        body = vector.body if len(vector.pieces) == 1 else _pieces(vector)
        return Response(body, vector.status, dict(vector.headers), content_type=vector.kind)

    return ConsentASGIMiddleware(app, config)


async def _pieces(vector: Vector) -> AsyncIterator[bytes]:
    for piece in vector.pieces:
        yield piece


def django_wsgi(config: Config) -> WSGIApplication:
    """Django, with its own middleware, on WSGI."""
    from django.core.handlers.wsgi import WSGIHandler

    app: WSGIApplication = _django(config, WSGIHandler)
    return app


def django_asgi(config: Config) -> ASGIApp:
    """Django, with its own middleware, on ASGI."""
    from django.core.handlers.asgi import ASGIHandler

    app: ASGIApp = _django(config, ASGIHandler)
    return app


def _django(config: Config, handler: Callable[[], Any]) -> Any:
    from django.test import override_settings

    import tests.edges.django_site  # noqa: F401 -- configures Django
    from consent_mw.django.setup import engine

    engine.cache_clear()
    middleware = ["consent_mw.django.ConsentMiddleware"]
    with override_settings(CONSENT=config, ROOT_URLCONF="tests.edges.contract_urls", MIDDLEWARE=middleware):
        made = handler()
    engine.cache_clear()

    def wsgi(environ: Any, start_response: Any) -> Any:
        with override_settings(ROOT_URLCONF="tests.edges.contract_urls"):
            return made(environ, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        with override_settings(ROOT_URLCONF="tests.edges.contract_urls"):
            await made(scope, receive, send)

    return asgi if "ASGI" in handler.__name__ else wsgi


_WSGI: Mapping[str, Callable[[Config], WSGIApplication]] = {
    "wsgi": plain_wsgi,
    "flask": flask,
    "bottle": bottle,
    "falcon": falcon,
    "django-wsgi": django_wsgi,
}
_ASGI: Mapping[str, Callable[[Config], ASGIApp]] = {
    "asgi": plain_asgi,
    "starlette": starlette,
    "fastapi": fastapi,
    "quart": quart,
    "django-asgi": django_asgi,
}
#: The names of all sites; the others are compared with the first.
SITES = (*_WSGI, *_ASGI)


def asking(name: str, config: Config) -> Ask:
    """Return a function that calls the site of that name as a server does."""
    return ask_wsgi(_WSGI[name](config)) if name in _WSGI else ask_asgi(_ASGI[name](config))
