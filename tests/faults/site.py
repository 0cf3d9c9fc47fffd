"""The site of the fault tests: a small Flask application inside the middleware."""

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
    """Create the bare application."""
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
    """Create the application inside the middleware, configured by the environment."""
    _set_clock()
    _set_log()
    from consent_mw import ConsentMiddleware  # imported after the clock is set
    from consent_mw.records.spool import breaker

    breaker.LONGEST_PAUSE = 2.0  # so that tests do not wait long for a store that is back
    _set_store_limit()
    return ConsentMiddleware(make_bare(), json.loads(os.environ["SITE_CONFIG"]))


def _set_clock() -> None:
    """Shift this process's clock by the seconds in a file, as if somebody had changed it."""
    file = os.environ.get("SITE_CLOCK")
    if file is None:
        return
    real = time.time

    def wrong() -> float:
        with open(file, encoding="ascii") as stream:
            return real() + float(stream.read())

    time.time = wrong


def _set_store_limit() -> None:
    """Wait for answers of PostgreSQL for the seconds in the environment; for Redis, its address says how long."""
    limit = os.environ.get("SITE_STORE_LIMIT")
    if limit is not None:
        from consent_mw.records import postgres

        postgres.WAIT = postgres.SLOW_WAIT = float(limit)


def _set_log() -> None:
    """Log everything, at the most detailed level, to the file in the environment and to standard error."""
    file = os.environ.get("SITE_LOG")
    if file is not None:
        logging.basicConfig(level=logging.DEBUG, handlers=[logging.FileHandler(file), logging.StreamHandler()])
