"""
A page that arrives in pieces: the banner appears as a whole, and nothing moves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from demo_site.servers import Server

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

PAGE = b"<!doctype html><html lang='en'><head><title>Shop</title></head><body><h1>Shop</h1>" + b"<p>text</p>" * 200

SHIFTS = """new PerformanceObserver(list => {
  window.shifted = list.getEntries().reduce((sum, entry) => sum + entry.value, window.shifted || 0);
}).observe({ type: 'layout-shift', buffered: true });
"""

#: Seconds between the pieces: long enough for a browser to paint the first one.
PAUSE = 0.4


class Halting:
    """An application that sends pages in two pieces, split inside the banner's last buttons."""

    def __init__(self, app: ConsentMiddleware) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = b"".join(self._app(environ, start_response))
        cut = body.find(b'value="reject-all"')
        if cut < 0:
            return [body]
        return self._pieces(body, cut)

    @staticmethod
    def _pieces(body: bytes, cut: int) -> Iterable[bytes]:
        yield body[:cut]
        time.sleep(PAUSE)
        yield body[cut:]


def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the page."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE]


@pytest.mark.parametrize("layout", ["bar", "corner", "dialog"])
def test_a_banner_that_arrives_in_pieces_moves_nothing(chromium: Browser, tmp_path: Path, layout: str) -> None:
    """Half a banner is not shown; the whole banner appears at once, without a layout shift."""
    settings = {"layout": layout, "records": f"sqlite:///{tmp_path / 'consent.db'}"}
    app = ConsentMiddleware(site, {"site": settings, "services": [{"use": "google-analytics"}]})
    with Server(Halting(app)) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script(SHIFTS)
        page = context.new_page()
        page.goto(f"http://localhost:{server.port}/", wait_until="load")
        page.wait_for_timeout(200)
        expect(page.locator("[data-cmw-banner]")).to_be_visible()
        assert page.evaluate("window.shifted || 0") == 0
        context.close()
