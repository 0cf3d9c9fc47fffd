"""The site that is served while something breaks: a small Flask application inside the middleware."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING

import flask

if TYPE_CHECKING:
    from consent_mw import ConsentMiddleware

PAGE = """<!doctype html><html lang="en"><head><title>Shop</title>
<script async src="https://www.google-analytics.com/analytics.js"></script></head>
<body><h1>Shop</h1><iframe src="https://www.youtube.com/embed/abcdefghijk"></iframe><ul>{}</ul></body></html>
""".format("\n".join(f"<li><a href='/item/{number}'>Item {number}</a></li>" for number in range(40)))


def make_bare() -> flask.Flask:
    """Make the application as its owner wrote it."""
    app = flask.Flask("shop")

    @app.get("/")
    def show_page() -> str:
        return PAGE

    @app.get("/item/<name>")
    def show_item(name: str) -> str:
        return PAGE

    @app.get("/broken")
    def fail() -> str:
        raise RuntimeError("the shop is broken")

    if os.environ.get("SITE_LEAK"):

        @app.before_request
        def tell() -> None:
            app.logger.debug("a visitor: %s %r %r", flask.request.remote_addr, flask.request.url, flask.request.headers)

    return app


def make() -> ConsentMiddleware:
    """Make the application inside the middleware, as the environment says."""
    _set_clock()
    _set_log()
    from consent_mw import ConsentMiddleware  # after the clock is set
    from consent_mw.records.spool import breaker

    breaker.LONGEST_PAUSE = 2.0  # nobody should wait long for a store that is back
    return ConsentMiddleware(make_bare(), json.loads(os.environ["SITE_CONFIG"]))


def _set_clock() -> None:
    """Let this process's clock be off by the seconds that a file says, as it is where somebody sets it back."""
    file = os.environ.get("SITE_CLOCK")
    if file is None:
        return
    real = time.time

    def wrong() -> float:
        with open(file, encoding="ascii") as stream:
            return real() + float(stream.read())

    time.time = wrong


def _set_log() -> None:
    """Write all that anybody logs, down to the last detail, where the environment says; and to the standard error."""
    file = os.environ.get("SITE_LOG")
    if file is not None:
        logging.basicConfig(level=logging.DEBUG, handlers=[logging.FileHandler(file), logging.StreamHandler()])
