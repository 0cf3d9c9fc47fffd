"""The site behind the caches of :mod:`benchmarks.caching`: some pages with cache lifetimes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from consent_mw import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

PAGES = 20
#: Tags of services with two purposes, as a site writes them, so that partial choices get different pages.
TAGS = {
    "google-analytics": b'<script async src="https://www.google-analytics.com/analytics.js"></script>',
    "hotjar": b'<script async src="https://static.hotjar.com/c/hotjar-1.js?sv=6"></script>',
    "meta-pixel": b'<script async src="https://connect.facebook.net/en_US/fbevents.js"></script>',
}
SERVICES = [{"use": name} for name in TAGS]
_TEXT = b"<p>" + b"What a page of a shop may say of a portrait. " * 40 + b"</p>"


def page(path: str) -> bytes:
    """Return the application's page for a path."""
    title = path.strip("/").encode("latin-1", "replace")
    return b"".join([b"<!doctype html><html lang=en><title>", title, b"</title><body>", *TAGS.values(), _TEXT * 4])


def bare() -> WSGIApplication:
    """Return the application, which counts page requests and returns their number at ``/asked``."""
    asked = itertools.count(1)
    seen = 0

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal seen
        path = environ["PATH_INFO"]
        if path == "/asked":
            start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
            return [str(seen).encode()]
        seen = next(asked)
        body = page(path)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "public, max-age=600"),
            ("ETag", f'"{path}"'),
        ]
        start_response("200 OK", headers)
        return [body]

    return app


def make() -> WSGIApplication:
    """Return the site configured by the environment: bare, or wrapped with one mode of caching."""
    mode = os.environ["CACHING"]
    app = bare()
    if mode == "bare":
        return app
    site = {
        "name": "Shop",
        "records": os.environ["CACHING_RECORDS"],
        "caching": mode,
        "counters": "off",
        "trusted_proxies": int(os.environ.get("CACHING_PROXIES", "0")),
    }
    return ConsentMiddleware(app, {"site": site, "services": SERVICES})
