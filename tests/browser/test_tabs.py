"""One choice in several tabs, and in pages that come back from the back/forward cache, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from demo_site.servers import Server
from tests.browser.harness import chromium as chromium_driver

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

#: Milliseconds within which a reload loop of two tabs would be noticed.
QUIET = 700

BANNER = "[data-cmw-banner]"


class Shop:
    """A site in which every page has a tag of a service on another host, served by the same server."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self._lock = threading.Lock()
        service = {"id": "stats", "vendor": "Stats Ltd", "purposes": ["analytics"], "hosts": ["stats.localhost"]}
        self._held = ConsentMiddleware(
            self._page, {"site": {"records": f"sqlite:///{folder}/consent.db"}, "services": [service]}
        )
        self._server = Server(self)
        self.address = f"http://localhost:{self._server.port}"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        foreign = environ["HTTP_HOST"].startswith("stats.")
        if not path.startswith("/_cmw/assets/") and path != "/favicon.ico":
            with self._lock:
                self.asked.append(f"tag of {path[5:]}" if foreign else f"{environ['REQUEST_METHOD']} {path}")
        if foreign:
            start_response("200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "no-store")])
            return [b"document.documentElement.dataset.ran = 'yes';"]
        return self._held(environ, start_response)

    def _page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        port = environ["SERVER_PORT"]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        tag = f"http://stats.localhost:{port}/tag{environ['PATH_INFO']}"
        return [
            b"<!doctype html><html lang=en><head><title>p</title><script>",
            b"addEventListener('pageshow', event => { window.restored = event.persisted; });</script></head><body>",
            f'<p>Page</p><script src="{tag}"></script></body></html>'.encode(),
        ]

    def tags(self) -> list[str]:
        """Return the tags requested since the last call."""
        with self._lock:
            found = [line for line in self.asked if line.startswith("tag of ")]
            self.asked = [line for line in self.asked if line not in found]
        return found

    def close(self) -> None:
        """Stop the server."""
        self._server.close()
        self._held.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A running shop."""
    running = Shop(tmp_path)
    yield running
    running.close()


def opened(new_page: Callable[[], Page], shop: Shop, path: str) -> Page:
    """Open a page of the shop in a new tab."""
    page = new_page()
    page.goto(shop.address + path)
    return page


def withdraw(page: Page) -> None:
    """Withdraw on the preferences page, which has no scripts, and come back."""
    page.goto(page.url.rpartition("/")[0] + "/_cmw/?back=" + page.url[page.url.rindex("/") :])
    page.click("[value=withdraw]")
    page.wait_for_selector("html[data-cmw-state=withdraw]", state="attached")


def test_all_tabs_follow_a_choice_and_none_wakes_another_for_ever(chromium: Browser, shop: Shop) -> None:
    """The other tab releases a grant without a reload and reloads after a withdrawal, and then nothing more happens."""
    with chromium.new_context() as context:
        one, two = (opened(context.new_page, shop, path) for path in ("/one", "/two"))
        two.evaluate("window.same = true")
        one.click(f"{BANNER} [value=accept-all]")
        two.wait_for_selector("html[data-ran]", state="attached")
        expect(two.locator(BANNER)).to_have_count(0)
        assert two.evaluate(
            "[window.same, consentMw.allows('stats'), document.querySelectorAll('[role=status]').length]"
        ) == [
            True,
            True,
            0,
        ]
        one.wait_for_selector("html[data-ran]", state="attached")
        assert sorted(shop.tags()) == ["tag of one", "tag of two"]
        withdraw(one)
        two.wait_for_selector("html[data-cmw-state=withdraw]", state="attached")
        shop.asked.clear()
        two.wait_for_timeout(QUIET)
        assert shop.asked == []
        assert two.evaluate("[window.same, document.documentElement.dataset.ran]") == [None, None]


def test_pages_from_the_cache_follow_what_was_chosen_since(chromium: Browser, shop: Shop) -> None:
    """Accept, go back, withdraw, go forward: each cached page follows the current choice."""
    browser = chromium.browser_type.launch(
        executable_path=chromium_driver.find(whole=True),
        args=chromium_driver.flags(),
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = browser.new_context()
    page = opened(context.new_page, shop, "/one")
    page.goto(f"{shop.address}/two")
    page.click(f"{BANNER} [value=accept-all]")
    page.wait_for_selector("html[data-ran]", state="attached")
    assert shop.tags() == ["tag of two"]
    page.go_back(wait_until="commit")
    page.wait_for_selector("html[data-ran]", state="attached")
    assert (page.evaluate("restored"), shop.tags()) == (True, ["tag of one"])
    withdraw(opened(context.new_page, shop, "/three"))
    page.wait_for_selector("html[data-cmw-state=withdraw]", state="attached")
    shop.tags()
    page.go_forward(wait_until="commit")
    page.wait_for_selector("html[data-cmw-state=withdraw]", state="attached")
    assert page.evaluate("[location.pathname, document.documentElement.dataset.ran]") == ["/two", None]
    assert shop.tags() == []
    browser.close()
