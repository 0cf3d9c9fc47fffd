"""A page in a shared cache, in a browser: it adapts to the visitor's choice as the server reports it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page
from playwright.sync_api import expect

from benchmarks.caching_site import SERVICES
from benchmarks.caching_site import bare
from consent_mw import ConsentMiddleware
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import ROOT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.browser

BANNER = "[data-cmw-banner]"
GOOGLE, HOTJAR, META = "www.google-analytics.com", "static.hotjar.com", "connect.facebook.net"
#: Records each frame in which a banner is visible, and tells when a banner has been there for two frames.
WATCH = """
window.painted = window.frames_with_banner = 0;
const look = () => {
  const banner = document.querySelector('[data-cmw-banner]');
  if (banner?.checkVisibility({ visibilityProperty: true })) window.painted++;
  if (banner && ++frames_with_banner === 2 && location.search) fetch('/framed');
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
SIGNAL = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });"


class Halting:
    """Sends a page with a query in two parts, the second only after the browser has painted the first."""

    def __init__(self, site: WSGIApplication) -> None:
        self._site = site
        self.drawn = Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/framed":
            self.drawn.set()
            start_response("204 No Content", [])
            return []
        body = self._site(environ, start_response)
        return self._parts(b"".join(body)) if environ.get("QUERY_STRING") else body

    def _parts(self, body: bytes) -> Iterator[bytes]:
        first, script, rest = body.partition(b"<script data-cmw-runtime")
        yield first
        assert self.drawn.wait(30)
        yield script + rest


class Kept:
    """A minimal shared cache: stores a cacheable page as the first visitor got it."""

    def __init__(self, site: WSGIApplication) -> None:
        self._site = site
        self._kept: dict[str, tuple[list[tuple[str, str]], bytes]] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "GET" and key in self._kept:
            headers, body = self._kept[key]
            start_response("200 OK", headers)
            return [body]
        given: list[tuple[str, str]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
            given.extend(headers)
            return start_response(status, headers)

        body = b"".join(self._site(environ, start))
        if dict(given).get("Cache-Control", "").startswith("public, max-age=600"):
            assert not any(name == "Set-Cookie" for name, _ in given)
            self._kept[key] = ([(name, value) for name, value in given if name != "Cache-Control"], body)
        return [body]


@pytest.fixture
def lane(proxy: Proxy, tmp_path: Path) -> Iterator[Lane]:
    """A lane with the site behind a cache, which already has the page."""
    site = {"name": "Shop", "records": f"sqlite:///{tmp_path}/consent.db", "caching": "shared"}
    with proxy.lane() as lane:
        lane.serve(FIRST_PARTY, Halting(Kept(ConsentMiddleware(bare(), {"site": site, "services": SERVICES}))))
        yield lane


Visit = Callable[..., BrowserContext]


@pytest.fixture
def visitor(chromium: Browser, lane: Lane) -> Iterator[Visit]:
    """Return a function that creates a fresh visitor."""
    made: list[BrowserContext] = []

    def make(**more: object) -> BrowserContext:
        context = chromium.new_context(proxy={"server": lane.address}, ignore_https_errors=True, **more)  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        context.add_init_script(WATCH)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


def open_page(lane: Lane, page: Page) -> list[str]:
    """Open the page and return its requests except the page and our assets: hosts, and our paths."""
    mark = lane.mark()
    page.goto(ROOT)
    page.wait_for_load_state("load")
    lane.settle()
    return asked(lane, mark)


def asked(lane: Lane, since: int) -> list[str]:
    """Return the requested hosts, and paths of the site."""
    foreign = {hit.host for hit in lane.foreign(since)}
    own = {hit.path for hit in lane.hits(since) if hit.host == FIRST_PARTY and hit.path.startswith("/_cmw/")}
    return sorted(foreign) + sorted(path for path in own if "/assets/" not in path)


def answer(context: BrowserContext, *fields: tuple[str, str]) -> None:
    """Post a choice as a page without scripts does."""
    headers = {"Origin": ROOT.rstrip("/"), "Content-Type": "application/x-www-form-urlencoded"}
    context.request.post(f"{ROOT}_cmw/choice", data=urlencode(fields), headers=headers, max_redirects=0)


def test_the_kept_page_becomes_that_of_who_looks_at_it(lane: Lane, visitor: Visit) -> None:
    """
    Undecided visitors see the banner, and it is never painted for decided ones; granted services run each time.

    A visitor who refused causes no request to the site.
    """
    context = visitor()
    page = context.new_page()
    assert open_page(lane, page) == []
    expect(page.locator(BANNER)).to_be_visible()

    mark = lane.mark()
    page.click(f"{BANNER} [value=accept-all]")
    assert lane.wait_for(lambda hits: {GOOGLE, HOTJAR, META} <= {hit.host for hit in hits}, mark)
    assert open_page(lane, page) == [META, HOTJAR, GOOGLE, "/_cmw/state"]
    assert page.evaluate(
        "[painted, consentMw.allows('hotjar'), document.querySelectorAll('[data-cmw-banner]').length]"
    ) == [
        0,
        True,
        0,
    ]
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "accept")

    answer(context, ("action", "save"), ("service", "hotjar"))
    assert open_page(lane, page) == [HOTJAR, "/_cmw/state"]

    answer(context, ("action", "withdraw"))
    assert open_page(lane, page) == []
    assert page.evaluate("painted") == 0
    expect(page.locator("html")).to_have_attribute("data-cmw-state", "withdraw")


@pytest.mark.parametrize("action", ["reject-all", "accept-all"])
def test_nobody_who_has_decided_sees_a_banner_whose_script_comes_late(lane: Lane, visitor: Visit, action: str) -> None:
    """The server pauses between the banner and its script until the browser has painted the page so far."""
    context = visitor()
    answer(context, ("action", action))
    page = context.new_page()
    page.goto(f"{ROOT}?halting")
    page.wait_for_load_state("load")
    lane.settle()
    assert page.evaluate("[frames_with_banner >= 2, painted]") == [True, 0]


def test_a_cookie_that_somebody_wrote_releases_nothing(lane: Lane, visitor: Visit) -> None:
    """Whatever its value, the browser asks the server, which knows of no choice, and the banner comes back."""
    honest = visitor()
    answer(honest, ("action", "accept-all"))
    (told,) = (cookie for cookie in honest.cookies() if cookie["name"] == "__Host-cmw-state")
    context = visitor()
    context.add_cookies([{"name": told["name"], "value": told["value"], "url": ROOT, "secure": True}])
    page = context.new_page()
    assert open_page(lane, page) == ["/_cmw/state"]
    expect(page.locator(BANNER)).to_be_visible()
    assert page.evaluate("['hotjar', 'analytics'].map(consentMw.allows)") == [False, False]
    # The server deleted it.
    assert [cookie["name"] for cookie in context.cookies()] == []
    # A cookie of another question does not hide it either.
    word = told["value"].partition("-")[0]
    context.add_cookies([{"name": told["name"], "value": f"{word}-00000000", "url": ROOT, "secure": True}])
    assert open_page(lane, page) == []
    expect(page.locator(BANNER)).to_be_visible()


def test_the_signal_is_heeded_in_a_page_made_without_it(lane: Lane, visitor: Visit) -> None:
    """The banner excludes marketing and says so; accepting all grants the rest."""
    context = visitor(extra_http_headers={"Sec-GPC": "1"})
    context.add_init_script(SIGNAL)
    page = context.new_page()
    assert open_page(lane, page) == []
    banner = page.locator(BANNER)
    assert banner.locator("input[name=purpose]").evaluate_all("all => all.map(one => one.value)") == ["analytics"]
    expect(banner.locator(".cmw-gpc")).to_be_visible()
    with page.expect_response("**/_cmw/choice"):
        page.click(f"{BANNER} [value=accept-all]")
    lane.settle()
    assert open_page(lane, page) == [HOTJAR, GOOGLE, "/_cmw/state"]


def test_without_scripts_all_stays_held_and_the_choice_is_kept(lane: Lane, visitor: Visit) -> None:
    """The cached page never changes, but the preferences page shows the choice."""
    context = visitor(java_script_enabled=False)
    page = context.new_page()
    mark = lane.mark()
    page.goto(ROOT)
    expect(page.locator(BANNER).locator(".cmw-gpc")).to_have_count(0)
    with page.expect_navigation():
        page.click(f"{BANNER} [value=accept-all]")
    expect(page.locator(BANNER)).to_be_visible()
    page.goto(f"{ROOT}_cmw/")
    ticked = page.locator("input[name=purpose]:checked").evaluate_all("all => all.map(one => one.value)")
    assert ticked == ["analytics", "marketing"]
    assert lane.foreign(mark) == []
