"""
The same four responses on every supported framework, bare and wrapped: ``make("flask", True)``.

``/json`` is 1 KB that no edge modifies, ``/page`` 50 KB at once, ``/stream`` 500 KB in pieces, and ``/slow`` a page
whose application waits between its two pieces.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from benchmarks.pages import make_page
from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware

#: Seconds that the slow application waits.
PAUSE = 0.2
_HTML = "text/html; charset=utf-8"
_PIECE = 16_384
_LONG = make_page(500_000)
_WHOLE = {"/json": ("application/json", b'{"items": "' + b"x" * 1000 + b'"}'), "/page": (_HTML, make_page(50_000))}
_SLOW = (make_page(6_000)[:3_000], make_page(6_000)[3_000:])


def make(name: str, wrapped: bool) -> Any:
    """Return the site of a framework."""
    config = {"site": {"records": os.environ["BENCH_RECORDS"], "isp": "off"}} if wrapped else None
    return _MAKERS[name](config)


def _pieces(path: str) -> Iterator[bytes]:
    if path == "/slow":
        yield _SLOW[0]
        time.sleep(PAUSE)
        yield _SLOW[1]
        return
    for at in range(0, len(_LONG), _PIECE):
        yield _LONG[at : at + _PIECE]


async def _pieces_async(path: str) -> AsyncIterator[bytes]:
    if path == "/slow":
        yield _SLOW[0]
        await asyncio.sleep(PAUSE)
        yield _SLOW[1]
        return
    for at in range(0, len(_LONG), _PIECE):
        yield _LONG[at : at + _PIECE]


def _wsgi(config: Any) -> Any:
    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        kind, body = _WHOLE.get(path, (_HTML, b""))
        start_response("200 OK", [("Content-Type", kind), *([("Content-Length", str(len(body)))] if body else [])])
        return [body] if body else _pieces(path)

    return ConsentMiddleware(app, config) if config else app


def _flask(config: Any) -> Any:
    import flask

    from consent_mw.flask import Consent

    app = flask.Flask(__name__)

    @app.get("/<name>")
    def answer(name: str) -> flask.Response:
        kind, body = _WHOLE.get("/" + name, (_HTML, b""))
        return flask.Response(body or _pieces("/" + name), content_type=kind)

    if config:
        Consent(app, config)
    return app


def _asgi(config: Any) -> Any:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        kind, body = _WHOLE.get(path, (_HTML, b""))
        headers = [(b"content-type", kind.encode())]
        headers += [(b"content-length", str(len(body)).encode())] if body else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if not body:
            async for piece in _pieces_async(path):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    return ConsentASGIMiddleware(app, config) if config else app


def _starlette(config: Any) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def answer(request: Request) -> Response:
        kind, body = _WHOLE.get(request.url.path, (_HTML, b""))
        headers = {"content-type": kind}
        if body:
            return Response(body, headers=headers)
        return StreamingResponse(_pieces_async(request.url.path), headers=headers)

    app = Starlette(routes=[Route("/{name}", answer)])
    return ConsentASGIMiddleware(app, config) if config else app


def _django(config: Any) -> None:
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.edge_urls",
        INSTALLED_APPS=["consent_mw.django"] if config else [],
        MIDDLEWARE=["consent_mw.django.ConsentMiddleware"] if config else [],
        CONSENT=config,
    )
    django.setup()


def _django_wsgi(config: Any) -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    _django(config)
    return WSGIHandler()


def _django_asgi(config: Any) -> Any:
    from django.core.handlers.asgi import ASGIHandler

    _django(config)
    return ASGIHandler()


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "wsgi": _wsgi,
    "flask": _flask,
    "django-wsgi": _django_wsgi,
    "asgi": _asgi,
    "starlette": _starlette,
    "django-asgi": _django_asgi,
}


def django_answer(path: str, asynchronous: bool) -> Any:
    """Return Django's response for a path, streamed as its server requires."""
    from django.http import HttpResponse
    from django.http import StreamingHttpResponse

    kind, body = _WHOLE.get(path, (_HTML, b""))
    if body:
        return HttpResponse(body, content_type=kind)
    return StreamingHttpResponse(_pieces_async(path) if asynchronous else _pieces(path), content_type=kind)
