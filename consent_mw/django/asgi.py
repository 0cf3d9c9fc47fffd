"""For ``asgi.py`` of a project: ``from consent_mw.django.asgi import get_asgi_application``."""

from __future__ import annotations

from consent_mw.asgi import ASGIApp
from consent_mw.asgi import Receive
from consent_mw.asgi import Scope
from consent_mw.asgi import Send
from consent_mw.asgi import live
from consent_mw.django.setup import engine


def get_asgi_application() -> ASGIApp:
    """
    Return Django's ASGI application, wrapped to handle the shutdown of the server.

    Django itself handles only requests. Uvicorn ends its process without running exit handlers, so pending counts are
    written here.
    """
    from django.core.asgi import get_asgi_application as djangos

    app: ASGIApp = djangos()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(engine(), app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return application
