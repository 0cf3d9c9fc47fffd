"""Usual slips in wrapping an application are named, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from werkzeug.test import Client

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw.errors import ConfigError

#: What Django gives to its middleware.
DJANGO = convert_exception_to_response(BaseHandler()._get_response)


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


@pytest.mark.parametrize(
    ("middleware", "app", "named"),
    [
        (ConsentMiddleware, None, "no application"),
        (ConsentMiddleware, pytest, "no application"),
        (ConsentMiddleware, asgi, "Use ConsentASGIMiddleware"),
        (ConsentMiddleware, AsgiClass(), "Use ConsentASGIMiddleware"),
        (
            ConsentMiddleware,
            convert_exception_to_response(BaseHandler()._get_response),
            "consent_mw.django.ConsentMiddleware",
        ),
        (ConsentASGIMiddleware, "app", "no application"),
        (ConsentASGIMiddleware, flask.Flask("shop"), "app.wsgi_app = ConsentMiddleware(app.wsgi_app)"),
    ],
    ids=["none", "module", "coroutine", "asgi", "django", "text", "flask"],
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


def test_a_flask_application_may_be_served_through_another_name(config: dict[str, object]) -> None:
    """What works is no slip: a server that is given the wrapped application calls it."""
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: "<h1>Hello</h1>")
    site = ConsentMiddleware(app, config)
    try:
        assert Client(site).get("/").status_code == 200
    finally:
        site.close()
