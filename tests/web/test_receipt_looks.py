"""The pages about a record in a browser: with scripts off, on a small phone, and the notice in its frame."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from consent_mw.core.choice import Record
from consent_mw.http.request import RequestHead
from consent_mw.web.app import create_app
from tests.web.doubles import MOUNT
from tests.web.doubles import FakeContext

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.browser

PAGES = ("/", "/receipt", "/receipt/notice")


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Write nothing."""


class Shop:
    """A site on loopback whose pages under the mount are the real ones."""

    def __init__(self) -> None:
        self.context = FakeContext()
        self.asked: list[str] = []
        self._app = create_app(self.context)
        self.server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.base = f"http://localhost:{self.server.server_port}"
        self.mount = self.base + MOUNT

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(f"{environ['REQUEST_METHOD']} {path}")
        if not path.startswith(MOUNT):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [b"<!doctype html><title>Shop</title><p>Prints"]
        inner = {**environ, "SCRIPT_NAME": MOUNT, "PATH_INFO": path.removeprefix(MOUNT) or "/"}
        return self._app(inner, start_response)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that is open."""
    found = Shop()
    thread = Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@contextmanager
def visitor(chromium: Browser, *, scripts: bool = False, width: int = 1280) -> Iterator[Page]:
    """Open a browser of its own."""
    context = chromium.new_context(java_script_enabled=scripts, viewport={"width": width, "height": 800})
    yield context.new_page()
    context.close()


def accept(page: Page, shop: Shop) -> None:
    """Grant everything on the page of the choices."""
    page.goto(shop.mount + "/")
    with page.expect_navigation():
        page.click("button[value=accept-all]")


def holds(page: Page, shop: Shop) -> Record:
    """Return the choice that the browser keeps."""
    told = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    found = shop.context.cookies.read(RequestHead("GET", "http", "localhost", "/", "", (("cookie", told),)))
    assert isinstance(found, Record)
    return found


def test_every_right_is_had_without_scripts(chromium: Browser, shop: Shop) -> None:
    """Seeing, reading the notice, taking along and erasing are links and buttons."""
    with visitor(chromium) as page:
        accept(page, shop)
        page.goto(shop.mount + "/")
        page.click(".kept a")
        expect(page.locator("dl.record code")).to_have_text("receipt-1")
        with page.expect_download() as download:
            page.click("a[href$=download]")
        assert download.value.suggested_filename == "consent-receipt-2026-11-22.json"
        page.click("dl.record a")
        expect(page.frame_locator("iframe").locator("section")).to_contain_text("Portrait Shop Ltd, London")
        page.click("main > p > a.button")
        page.click("form[action$=erase] button")
        expect(page.locator("h1")).to_have_text("Erased")
        # Only the mark remains by which the store refuses to take the record back.
        assert (holds(page, shop).receipt, [row.about for row in shop.context.records.rows]) == ("", ["mark"])


def test_counting_is_stopped_without_scripts(chromium: Browser, shop: Shop) -> None:
    """One click, and the page comes back to where the button was."""
    with visitor(chromium) as page:
        page.goto(shop.mount + "/")
        page.click("button[name=counted]")
        expect(page.locator("#counting [role=status]")).to_have_text("You are not counted.")
        assert page.url.endswith("#counting")


def test_the_shown_notice_sends_nothing(chromium: Browser, shop: Shop) -> None:
    """With scripts on, its buttons and links can be pressed and nothing is asked of the server."""
    with visitor(chromium, scripts=True) as page:
        accept(page, shop)
        page.goto(shop.mount + "/receipt/notice")
        frame = page.frame_locator("iframe")
        frame.locator("button[value=reject-all]").wait_for()
        before = list(shop.asked)
        frame.locator("summary").click()
        for button in ("save", "reject-all", "accept-all"):
            frame.locator(f"button[value={button}]").click()
        for link in frame.locator("details a").all():
            link.click()
        # The introduction made room for the boxes.
        frame.locator("summary").click()
        for link in frame.locator(".cmw-intro a").all():
            link.click()
        page.wait_for_timeout(200)
        assert (shop.asked, holds(page, shop).receipt) == (before, "receipt-1")


@pytest.mark.parametrize("lang", ["en", "de", "fr"])
def test_nothing_is_cut_off_on_a_small_phone(chromium: Browser, shop: Shop, lang: str) -> None:
    """At 320 pixels no page scrolls sideways, and every button is large enough for a finger."""
    with visitor(chromium, scripts=True, width=320) as page:
        accept(page, shop)
        for path in PAGES:
            page.goto(f"{shop.mount}{path}?lang={lang}")
            assert page.evaluate("document.documentElement.scrollWidth") == 320
            heights = page.eval_on_selector_all(".button", "all => all.map(one => one.getBoundingClientRect().height)")
            assert min(heights) >= 44


def test_withdrawing_stands_out_before_erasing(chromium: Browser, shop: Shop) -> None:
    """What can be undone looks like the first thing to do; what cannot does not, and both are as large."""
    with visitor(chromium, scripts=True) as page:
        accept(page, shop)
        page.goto(shop.mount + "/receipt")
        look = "one => [getComputedStyle(one).backgroundColor, one.getBoundingClientRect().width]"
        withdraw, erase = (page.eval_on_selector(f"form[action$={end}] button", look) for end in ("choice", "erase"))
        assert withdraw[0] != erase[0]
        assert withdraw[1] == erase[1]
