"""A site whose first page is made of two others, asked for in threads of a pool, to which no context is passed on."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from werkzeug.test import Client

from consent_mw import ConsentMiddleware

TAG = '<script async src="https://www.googletagmanager.com/gtag/js?id=G-FIELD0101"></script>'


def inside(app: Any) -> Any:
    """Wrap the site: its own pages are asked for through consent_mw."""
    folder = tempfile.mkdtemp()
    settings = {
        "site": {"records": f"sqlite:///{folder}/c.db", "isp": "off"},
        "services": [{"use": "google-analytics"}],
    }
    parts = Client(ConsentMiddleware(app, settings))
    pool = ThreadPoolExecutor(2)

    def part(cookie: str) -> str:
        headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Cookie": cookie}
        return parts.get("/", base_url="http://localhost", headers=headers).text

    def portal(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/":
            return app(environ, start_response)
        cookie = environ.get("HTTP_COOKIE", "")
        found = "".join(one.result() for one in [pool.submit(part, cookie), pool.submit(part, cookie)])
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [f"<!doctype html><html lang=en><head><title>Portal</title>{TAG}</head><body>{found}</body>".encode()]

    return portal
