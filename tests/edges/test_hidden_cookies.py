"""``hide_cookies``: what a browser still sends for a held service does not reach the application, at any edge."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from tests.edges.contract import Ask
from tests.edges.contract import ask_asgi
from tests.edges.contract import ask_wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SENT = "own=1; _ga=2; __Host-_ga=3; _gid=4; more=5"

Make = Callable[[dict[str, object]], Ask]


def wsgi(config: dict[str, object]) -> Ask:
    """Answer with the header as PEP 3333 gives it."""

    def app(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ.get("HTTP_COOKIE", "").encode()]

    return ask_wsgi(ConsentMiddleware(app, config))


def flask(config: dict[str, object]) -> Ask:
    """Answer with the cookies as Flask read them."""
    from flask import Flask
    from flask import Response
    from flask import request

    from consent_mw.flask import Consent

    app = Flask(__name__)

    @app.get("/")
    def page() -> Response:
        return Response(_joined(request.cookies), content_type="text/plain")

    Consent(app, config)
    return ask_wsgi(app)


def asgi(config: dict[str, object]) -> Ask:
    """Answer with the headers as ASGI gives them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    return ask_asgi(ConsentASGIMiddleware(app, config))


def starlette(config: dict[str, object]) -> Ask:
    """Answer with the cookies as Starlette read them."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(_joined(request.cookies))

    return ask_asgi(ConsentASGIMiddleware(Starlette(routes=[Route("/", page)]), config))


def django(handler: str) -> Make:
    """Answer with the cookies as Django read them."""

    def make(config: dict[str, object]) -> Ask:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler
        from django.test import override_settings

        from consent_mw.django.setup import engine
        from tests.edges import django_site  # noqa: F401 -- configures Django

        engine.cache_clear()
        with override_settings(CONSENT=config, MIDDLEWARE=["consent_mw.django.ConsentMiddleware"]):
            made = WSGIHandler() if handler == "wsgi" else ASGIHandler()
        engine.cache_clear()
        ask = ask_wsgi(made) if handler == "wsgi" else ask_asgi(made)
        return lambda path, method, headers, body: ask("/cookies", method, headers, body)

    return make


def _joined(cookies: Any) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


EDGES: dict[str, Make] = {
    "wsgi": wsgi,
    "flask": flask,
    "asgi": asgi,
    "starlette": starlette,
    "django-wsgi": django("wsgi"),
    "django-asgi": django("asgi"),
}


@pytest.mark.parametrize("hide", [True, False])
@pytest.mark.parametrize("edge", EDGES)
def test_cookies_of_held_services_stay_outside(edge: str, hide: bool, tmp_path: Path) -> None:
    """The application sees its own cookies and not a tracker's, where the owner wants that; else it sees all."""
    settings = {"records": f"sqlite:///{tmp_path}/consent.db", "hide_cookies": hide}
    ask = EDGES[edge]({"site": settings, "services": [{"use": "google-analytics"}]})
    assert ask("/", "GET", {"cookie": SENT}, b"").body.decode() == ("own=1; more=5" if hide else SENT)


def test_cookies_that_arrive_in_pieces_are_hidden_too(tmp_path: Path) -> None:
    """HTTP/2 may send each cookie in a field of its own (RFC 9113, section 8.2.3)."""
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope["headers"] if name == b"cookie")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b""})

    settings = {"records": f"sqlite:///{tmp_path}/consent.db", "hide_cookies": True}
    wrapped = ConsentASGIMiddleware(app, {"site": settings, "services": [{"use": "google-analytics"}]})

    async def in_pieces(scope: Any, receive: Any, send: Any) -> None:
        headers = [field for field in scope["headers"] if field[0] != b"cookie"]
        pieces = [(b"cookie", piece.encode()) for piece in SENT.split("; ")]
        await wrapped({**scope, "headers": headers + pieces}, receive, send)

    ask_asgi(in_pieces)("/", "GET", {}, b"")
    assert seen == [b"own=1; more=5"]
