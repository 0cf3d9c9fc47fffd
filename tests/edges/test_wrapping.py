"""Usual slips in wrapping an application are named, with what to write instead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from collections.abc import Iterator
from inspect import iscoroutinefunction
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import bottle
import flask
import pytest
import uvicorn
from asgiref.sync import async_to_sync
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from fastapi import FastAPI
from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart
from starlette.applications import Starlette
from starlette.requests import Request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw.errors import ConfigError
from consent_mw.flask import Consent
from tests.edges import django_site

#: What Django gives to its middleware.
DJANGO = convert_exception_to_response(BaseHandler()._get_response)
#: The same in a project that an ASGI server serves, for a middleware that is not asynchronous.
DJANGO_ASYNC = async_to_sync(convert_exception_to_response(BaseHandler()._get_response_async))


@pytest.fixture
def config(tmp_path: Path) -> dict[str, object]:
    """Return a configuration with records of its own."""
    return {"site": {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off"}}


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Be an ASGI application."""


class AsgiClass:
    """An ASGI application as frameworks write it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer nothing."""


class WsgiClass:
    """A WSGI application that is configured first."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answer nothing."""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []


class Body:
    """A class that is itself an application: its instances are the bodies (PEP 3333)."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", [("Content-Type", "text/html")])
        yield b"<h1>Hello</h1>"


class Demo:
    """An object that a library serves in an application of its own, and that can be called for something else."""

    def __call__(self, *inputs: object, batch: bool = False) -> object:
        """Calculate something."""
        return inputs


class Board:
    """An object of a library that builds a Flask application and passes requests on."""

    def __init__(self) -> None:
        self.server = flask.Flask("board")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Pass a request on."""
        return self.server(*args, **kwargs)


class Configurator:
    """An object that makes the application when it is told to."""

    def make_wsgi_app(self) -> WsgiClass:
        """Make the application."""
        return WsgiClass()


class OtherProtocol:
    """An application of another protocol, which can be called without arguments."""

    def __call__(self) -> object:
        """Return itself, as aiohttp's applications do."""
        return self


def create_app(config: str = "production", debug: bool = False) -> flask.Flask:
    """Return an application, as its factory."""
    return flask.Flask("shop")


@pytest.mark.parametrize(
    ("middleware", "app", "named"),
    [
        (ConsentMiddleware, None, "not an application"),
        (ConsentMiddleware, pytest, "not an application"),
        (ConsentMiddleware, asgi, "Use ConsentASGIMiddleware"),
        (ConsentMiddleware, AsgiClass(), "Use ConsentASGIMiddleware"),
        (
            ConsentMiddleware,
            convert_exception_to_response(BaseHandler()._get_response),
            "consent_mw.django.ConsentMiddleware",
        ),
        (ConsentASGIMiddleware, "app", "not an application"),
        (ConsentASGIMiddleware, flask.Flask("shop"), "app.wsgi_app = ConsentMiddleware(app.wsgi_app)"),
        (ConsentMiddleware, create_app, "call it: ConsentMiddleware(create_app())"),
        (ConsentMiddleware, get_wsgi_application, "call it: ConsentMiddleware(get_wsgi_application())"),
        (ConsentMiddleware, flask.Flask, "It wraps the class Flask"),
        (ConsentMiddleware, WsgiClass, "It wraps the class WsgiClass"),
        (ConsentASGIMiddleware, create_app, "call it: ConsentASGIMiddleware(create_app())"),
        (ConsentASGIMiddleware, FastAPI, "It wraps the class FastAPI"),
        (ConsentASGIMiddleware, WsgiClass(), "Use ConsentMiddleware"),
        (ConsentASGIMiddleware, DJANGO, "consent_mw.django.ConsentMiddleware"),
        (ConsentASGIMiddleware, DJANGO_ASYNC, "consent_mw.django.ConsentMiddleware"),
        (ConsentMiddleware, {"REQUEST_METHOD": "GET"}, "write site = ConsentMiddleware(app)"),
        (ConsentASGIMiddleware, {"type": "http", "asgi": {}}, "write site = ConsentASGIMiddleware(app)"),
        (ConsentMiddleware, "consent.toml", "ConsentMiddleware(app, config)"),
        (ConsentASGIMiddleware, Path("consent.toml"), "ConsentASGIMiddleware(app, config)"),
        (ConsentMiddleware, {"site": {"name": "Shop"}}, "ConsentMiddleware(app, config)"),
        (ConsentASGIMiddleware, Request({"type": "http"}), "app.add_middleware(ConsentASGIMiddleware"),
        (ConsentMiddleware, Demo(), "It wraps Demo, which cannot be called"),
        (ConsentASGIMiddleware, Demo(), "Give it the application itself."),
        (ConsentMiddleware, Configurator(), "Give it the WSGI application itself, probably its .make_wsgi_app()"),
        (ConsentMiddleware, OtherProtocol(), "Give it the application itself."),
        (ConsentMiddleware, SimpleNamespace(app=WsgiClass()), "probably its .app"),
        (ConsentMiddleware, Quart("shop").asgi_app, "It wraps Quart.asgi_app, an ASGI application"),
        (ConsentMiddleware, Consent(), "Write Consent(app), and serve app."),
        (ConsentASGIMiddleware, Consent, "Write Consent(app), and serve app."),
    ],
    ids=[
        *["none", "module", "coroutine", "asgi", "django", "text", "flask", "factory", "django factory", "flask class"],
        *["wsgi class", "asgi factory", "asgi class", "wsgi", "django asgi", "adapted", "environ", "scope"],
        *["path", "path object", "settings", "request", "demo", "demo in asgi", "configurator", "other protocol"],
        *["namespace", "quart", "extension", "extension class"],
    ],
)
def test_what_cannot_be_wrapped_is_refused_at_the_start(
    middleware: Callable[..., object], app: object, named: str, config: dict[str, object]
) -> None:
    """The error says what was given and what to write."""
    with pytest.raises(ConfigError) as raised:
        middleware(app, config)
    assert named in str(raised.value)


def test_a_flask_application_that_is_wrapped_itself_says_so(config: dict[str, object]) -> None:
    """Who writes app = ConsentMiddleware(app) hears at the first route what to write instead."""
    app: Any = flask.Flask("shop")
    app = ConsentMiddleware(app, config)
    try:
        with pytest.raises(AttributeError, match="it stands in the place of flask.Flask") as raised:
            app.route("/")
        assert "app.wsgi_app = ConsentMiddleware(app.wsgi_app)" in str(raised.value)
        with pytest.raises(AttributeError, match="has no attribute 'rout'\\Z"):
            _ = app.rout
    finally:
        app.close()


def test_an_application_around_itself_is_no_endless_recursion(config: dict[str, object]) -> None:
    """Who gives the application in the place of its wsgi_app hears what to write instead."""
    app = flask.Flask("shop")
    wrapped = ConsentMiddleware(app, config)
    app.wsgi_app = wrapped  # type: ignore[method-assign]
    try:
        with pytest.raises(ConfigError, match="around itself"):
            app.test_client().get("/")
    finally:
        wrapped.close()


@pytest.mark.parametrize("around", [False, True], ids=["itself", "within another wrapper"])
def test_any_application_around_itself_is_named(around: bool, config: dict[str, object]) -> None:
    """Bottle and Quart can be wrapped in the same way as Flask, and by other wrappers as well."""
    shop = bottle.Bottle()
    wsgi = ConsentMiddleware(shop, config)
    shop.wsgi = ProxyFix(wsgi) if around else wsgi
    quart = Quart("shop")
    asgi = ConsentASGIMiddleware(quart, config)
    quart.asgi_app = ProxyFixMiddleware(asgi) if around else asgi  # type: ignore[method-assign]

    async def visit() -> None:
        await quart.test_client().get("/")

    try:
        with pytest.raises(ConfigError, match=r"Write app\.wsgi = ConsentMiddleware\(app\.wsgi\)"):
            Client(shop).get("/")
        with pytest.raises(ConfigError, match=r"Write app\.asgi_app = ConsentASGIMiddleware\(app\.asgi_app\)"):
            asyncio.run(visit())
    finally:
        wsgi.close()
        asgi.close()


def in_starlette(made: Any) -> Callable[[], object]:
    """Return a visit to an application of Starlette with that in its list of middleware."""
    app = Starlette()
    app.add_middleware(made)
    return lambda: asyncio.run(app({"type": "http", "path": "/", "headers": []}, AsyncMock(), AsyncMock()))


def in_hook(made: Any) -> Callable[[], object]:
    """Return a visit to an application of FastAPI that has it as a function around each request."""
    app = FastAPI()
    app.middleware("http")(made)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    return lambda: asyncio.run(app(scope, AsyncMock(), AsyncMock()))


def as_wsgi_app(made: Any) -> Callable[[], object]:
    """Return a visit to an application of Flask that was replaced by it."""
    app = flask.Flask("shop")
    app.wsgi_app = made  # type: ignore[method-assign]
    return lambda: app.test_client().get("/")


@pytest.mark.parametrize(
    ("visited", "made", "remedy"),
    [
        (in_starlette, ConsentASGIMiddleware, "Name the class: app.add_middleware(ConsentASGIMiddleware"),
        (in_starlette, ConsentMiddleware, "Use app.add_middleware(ConsentASGIMiddleware"),
        (in_hook, ConsentASGIMiddleware, "Serve it: site = ConsentASGIMiddleware(app)"),
        (as_wsgi_app, Consent, "Write Consent(app) on a line of its own"),
    ],
    ids=["starlette", "wsgi in starlette", "fastapi", "flask"],
)
def test_an_object_where_a_class_or_function_belongs_is_named(
    visited: Callable[[object], Callable[[], object]], made: Any, remedy: str, config: dict[str, object]
) -> None:
    """The framework calls it at the first request, and the answer says what to write."""
    app: Any = {ConsentASGIMiddleware: asgi, ConsentMiddleware: WsgiClass(), Consent: flask.Flask("other")}[made]
    wrapper = made(app, config)
    try:
        with pytest.raises(ConfigError) as raised:
            visited(wrapper)()
        assert remedy in str(raised.value)
    finally:
        (app.wsgi_app if made is Consent else wrapper).close()


def test_servers_take_the_wrapper_for_an_asgi_application(config: dict[str, object]) -> None:
    """Uvicorn, Hypercorn and asgiref look whether its __call__ is a coroutine function."""
    site = ConsentASGIMiddleware(asgi, config)
    try:
        assert iscoroutinefunction(site.__call__)
        assert list(signature(site).parameters) == ["scope", "receive", "send"]
    finally:
        site.close()


def test_a_flask_application_may_be_served_through_another_name(config: dict[str, object]) -> None:
    """What works is no slip: a server that is given the wrapped application calls it."""
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: "<h1>Hello</h1>")
    site = ConsentMiddleware(app, config)
    try:
        assert Client(site).get("/").status_code == 200
    finally:
        site.close()


@pytest.mark.parametrize(
    "app",
    [Body, WSGIHandler, WsgiClass(), WsgiClass().__call__, Board()],
    ids=["body", "handler", "object", "method", "passes on"],
)
def test_any_form_of_an_application_is_taken(app: Any, config: dict[str, object]) -> None:
    """A class whose instances are bodies, Django's handler, an object with __call__, and a method."""
    with override_settings(ROOT_URLCONF=django_site.__name__):
        site = ConsentMiddleware(app() if app is WSGIHandler else app, config)
    try:
        assert Client(site).get("/nowhere").status_code in (200, 404)
    finally:
        site.close()


def test_a_second_wrapper_is_in_the_log(config: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    """Who wraps twice, say once in the factory and once for the server, is told which configuration counts."""
    inner = ConsentMiddleware(WsgiClass(), config)
    with caplog.at_level(logging.WARNING, "consent_mw"):
        outer = ConsentMiddleware(inner, config)
    for one in (inner, outer):
        one.close()
    assert [one.getMessage() for one in caplog.records if "twice" in one.getMessage()] == [
        "the application is wrapped by consent_mw twice; only the outer configuration has an effect"
    ]


@pytest.mark.parametrize(
    ("middleware", "app", "remedy"),
    [
        (ConsentMiddleware, flask.Flask("shop").wsgi_app, "app.wsgi_app = ConsentMiddleware(app.wsgi_app)"),
        (ConsentMiddleware, WsgiClass(), "Serve it: site = ConsentMiddleware(app)"),
        (ConsentASGIMiddleware, FastAPI(), "Serve it: site = ConsentASGIMiddleware(app)"),
    ],
    ids=["flask", "wsgi", "asgi"],
)
def test_a_wrapper_that_nothing_keeps_is_in_the_log(
    middleware: Any, app: Any, remedy: str, config: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """Who forgets the left side of the assignment serves a site that holds nothing; a wrapper that is used is fine."""
    with caplog.at_level(logging.ERROR, "consent_mw"):
        middleware(app, config)
    gone = [one.getMessage() for one in caplog.records]
    caplog.clear()
    with caplog.at_level(logging.ERROR, "consent_mw"):
        site = middleware(app, config)
        site.close()
        del site
        Client(ConsentMiddleware(WsgiClass(), config)).get("/")
    assert (len(gone), remedy in gone[0], caplog.records) == (1, True, [])


class Handler:
    """A handler of Litestar, as its scope names it."""


@pytest.mark.parametrize(
    ("found", "inside"),
    [
        ({"route_handler": Handler()}, True),
        ({"endpoint": create_app}, True),
        ({"endpoint": Handler}, True),
        ({"endpoint": AsgiClass(), "path_params": {}}, False),
        ({}, False),
    ],
    ids=["litestar", "function", "class", "mounted", "whole"],
)
def test_a_wrapper_inside_a_route_is_in_the_log(
    found: dict[str, object], inside: bool, config: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """There the pages under the mount are never reached, so no visitor could answer; it is said once."""
    site = ConsentASGIMiddleware(asgi, config)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], **found}
    try:
        with caplog.at_level(logging.ERROR, "consent_mw"):
            for _ in range(2):
                asyncio.run(site(dict(scope), AsyncMock(), AsyncMock()))
    finally:
        site.close()
    assert sum("inside a route" in one.getMessage() for one in caplog.records) == inside


def test_uvicorn_takes_a_wrapper_for_an_application(config: dict[str, object]) -> None:
    """It calls what it serves with nothing, to see whether it is a factory, and goes on after a TypeError."""
    site = ConsentASGIMiddleware(asgi, config)
    served = uvicorn.Config(site, log_config=None)
    served.load()
    site.close()
    assert served.interface == "asgi3"


@pytest.mark.parametrize(
    ("app", "named"),
    [
        (create_app, "Write Consent(app)"),
        ({"site": {"name": "Shop"}}, "Write Consent(app)"),
        (flask.Flask, "Write Consent(app)"),
        (flask.Blueprint("a", "b"), "Write Consent(app)"),
        (flask.Flask("shop").wsgi_app, "this is Flask.wsgi_app"),
        (Quart("shop"), "app.asgi_app = ConsentASGIMiddleware(app.asgi_app)"),
        (FastAPI(), "site = ConsentASGIMiddleware(app)"),
        (Board(), "Write Consent(app.server)"),
        (DJANGO, "consent_mw.django.ConsentMiddleware"),
    ],
    ids=["factory", "settings", "class", "blueprint", "method", "quart", "fastapi", "board", "django"],
)
def test_the_extension_is_for_flask_applications(app: Any, named: str) -> None:
    """What it is given is named as what it is, with what to write for it."""
    with pytest.raises(ConfigError, match="Consent extends a Flask application") as raised:
        Consent(app)
    assert named in str(raised.value)
