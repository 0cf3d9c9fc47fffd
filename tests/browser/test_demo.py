"""The demo for a visitor: no hits before opting in, hits after, none after withdrawing; with scripts on and off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from demo_site.farm import Farm
from demo_site.servers import Server
from demo_site.shop import create_app
from demo_site.shop import create_held_app
from demo_site.vendors import VENDORS

PATHS = ("/", "/journal/one-lamp-five-faces")
DECLARED = {vendor.id for vendor in VENDORS if vendor.id not in ("unknown", "stripe")}
TRACKER_COOKIES = {"_ga", "_ga_PRTRT00001", "_gcl_au", "_fbp"}


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demo, and one visitor in it."""

    farm: Farm
    farm_port: int
    shop_port: int
    page: Page
    scripts: bool

    def open(self, path: str) -> None:
        """Open a page of the shop and wait until the network is idle."""
        self.page.goto(f"http://localhost:{self.shop_port}{path}", wait_until="networkidle")

    def look_around(self) -> None:
        """Visit the pages, and buy something on an invoice."""
        for path in PATHS:
            self.open(path)
        self.open("/software/second-lamp")
        self.page.click(".buy button")
        self.page.wait_for_url("**/basket")
        self.page.click("text=Check out")
        self.page.wait_for_url("**/checkout")
        self.page.wait_for_load_state("networkidle")
        self.page.fill("[name=name]", "A. Visitor")
        self.page.fill("[name=email]", "visitor@example.org")
        self.page.check("[value=invoice]")
        self.page.click(".pay button")
        self.page.wait_for_url("**/thanks")
        self.page.wait_for_load_state("networkidle")

    def accept(self) -> None:
        """Press the button in the banner."""
        self.open("/")
        self.answer("accept-all")

    def answer(self, action: str) -> None:
        """Press a button of the banner, and wait until the network is idle."""
        with self.page.expect_response("**/_cmw/choice"):
            self.page.click(f'[data-cmw-banner] [data-cmw-action="{action}"]')
        expect(self.page.locator("[data-cmw-banner]")).to_be_hidden()
        self.page.wait_for_load_state("networkidle")

    def withdraw(self) -> None:
        """Follow the link in the shop's footer and withdraw in the notice, or, without scripts, on the page."""
        self.open("/")
        self.page.click(".foot [data-cmw-action=open]")
        with self.page.expect_navigation(wait_until="networkidle"):
            self.page.locator('[value="withdraw"], [data-cmw-banner] [value="reject-all"]').first.click()

    def heard(self) -> set[str]:
        """Return the vendors that got a hit, except the necessary one."""
        return set(self.farm.counts) - {"stripe"}

    def cookies(self) -> set[str]:
        """Return the names of the tracker cookies that the visitor has."""
        return {cookie.get("name", "") for cookie in self.page.context.cookies()} & TRACKER_COOKIES


def running(chromium: Browser, scripts: bool, records: Path | None) -> Iterator[Demo]:
    """Serve the shop, inside consent_mw if ``records`` are given, to one fresh visitor."""
    farm = Farm()
    with Server(farm) as farm_server:
        app = create_held_app(farm_server.port, records) if records else create_app(farm_server.port)
        with Server(app) as shop_server:
            context = chromium.new_context(java_script_enabled=scripts)
            yield Demo(farm, farm_server.port, shop_server.port, context.new_page(), scripts)
            context.close()
        farm.close()


@pytest.fixture(params=[True, False], ids=["scripts-on", "scripts-off"])
def demo(chromium: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    """Return the demo with a visitor whose scripts are on, then off."""
    yield from running(chromium, request.param, tmp_path)


@pytest.fixture
def demo_with_scripts(chromium: Browser, tmp_path: Path) -> Iterator[Demo]:
    """Return the demo with a visitor whose scripts are on."""
    yield from running(chromium, True, tmp_path)


@pytest.fixture
def demo_without_scripts(chromium: Browser, tmp_path: Path) -> Iterator[Demo]:
    """Return the demo with a visitor whose scripts are off."""
    yield from running(chromium, False, tmp_path)


@pytest.fixture
def bare_demo(chromium: Browser) -> Iterator[Demo]:
    """Return the shop as its owner wrote it, without consent_mw."""
    yield from running(chromium, True, None)


def test_the_bare_shop_reaches_every_tracker(bare_demo: Demo) -> None:
    """Without consent_mw each vendor gets hits, so the other tests could fail."""
    bare_demo.look_around()
    assert (bare_demo.heard(), bare_demo.cookies()) == (DECLARED | {"unknown"}, TRACKER_COOKIES)


def test_nothing_reaches_a_tracker_before_opting_in(demo: Demo) -> None:
    """A visitor who ignores the banner can browse and buy, and no tracker gets a hit."""
    demo.look_around()
    assert (demo.heard(), demo.cookies()) == (set(), set())


def test_the_payment_form_works_before_opting_in(demo_with_scripts: Demo) -> None:
    """Necessary services are left alone: the card form loads without consent."""
    demo = demo_with_scripts
    demo.open("/software/second-lamp")
    demo.page.click(".buy button")
    demo.page.wait_for_url("**/basket")
    demo.open("/checkout")
    form = demo.page.frame_locator("#payment-element iframe")
    expect(form.get_by_label("Card number")).to_be_visible()
    assert demo.farm.counts == {"stripe": 2}


def test_accepting_releases_the_tags_of_the_page_at_hand(demo_with_scripts: Demo) -> None:
    """The hits arrive after the click, without another page view."""
    demo_with_scripts.open("/")
    demo_with_scripts.page.evaluate("window.stayed = true")
    demo_with_scripts.page.click('[data-cmw-banner] [data-cmw-action="accept-all"]')
    demo_with_scripts.page.wait_for_function("document.cookie.includes('_fbp') && document.cookie.includes('_ga=')")
    expected = {"google-analytics", "google-tag-manager", "google-ads", "meta-pixel", "unknown"}
    for _ in range(300):
        # The page was idle before the click, so only the farm can tell when all hits have arrived.
        if demo_with_scripts.heard() == expected:
            break
        demo_with_scripts.page.wait_for_timeout(50)
    assert (demo_with_scripts.heard(), demo_with_scripts.page.evaluate("window.stayed")) == (expected, True)


def test_every_tracker_is_reached_after_accepting(demo: Demo) -> None:
    """After the click the shop's tags work, and so does the undeclared pixel, without another question."""
    demo.accept()
    demo.look_around()
    without_scripts = {"google-tag-manager", "google-ads", "meta-pixel", "youtube"}
    assert demo.heard() == (DECLARED if demo.scripts else without_scripts) | {"unknown"}


def test_the_noscript_pixel_comes_only_after_accepting(demo_without_scripts: Demo) -> None:
    """With scripts off the Meta Pixel is an image inside noscript: held and released like any other tag."""
    demo_without_scripts.open("/")
    before = [hit.path for hit in demo_without_scripts.farm.hits if "noscript=1" in hit.path]
    demo_without_scripts.accept()
    demo_without_scripts.open("/")
    after = {hit.path.partition("&")[2] for hit in demo_without_scripts.farm.hits if "noscript=1" in hit.path}
    assert (before, after) == ([], {"ev=PageView&noscript=1"})


def test_nothing_reaches_a_tracker_after_withdrawing(demo: Demo) -> None:
    """After withdrawing in the settings, the next pages reach no tracker, and the trackers' cookies are gone."""
    demo.accept()
    demo.open("/")
    demo.withdraw()
    demo.farm.reset()
    demo.look_around()
    assert (demo.heard(), demo.cookies()) == (set(), set())


def test_rejecting_reaches_nobody_and_asks_no_more(demo: Demo) -> None:
    """A refusal takes one click, holds everything, and the banner does not come back."""
    demo.open("/")
    demo.answer("reject-all")
    demo.look_around()
    expect(demo.page.locator("[data-cmw-banner]")).to_be_hidden()
    assert demo.heard() == set()


def test_the_farm_shows_hits_as_they_come(demo_with_scripts: Demo) -> None:
    """The farm's page updates itself while it is open."""
    demo = demo_with_scripts
    watching = demo.page.context.new_page()
    watching.goto(f"http://farm.localhost:{demo.farm_port}/")
    count = watching.locator('[data-vendor="meta-pixel"]')
    expect(count).to_have_attribute("data-count", "0")
    demo.accept()
    expect(count).not_to_have_attribute("data-count", "0")
    watching.click("text=Clear the fields")
    expect(count).to_have_attribute("data-count", "0")


def test_the_farm_reloads_itself_without_scripts(demo_without_scripts: Demo) -> None:
    """With scripts off the page reloads every two seconds, so it is still current."""
    demo = demo_without_scripts
    watching = demo.page.context.new_page()
    watching.goto(f"http://farm.localhost:{demo.farm_port}/")
    demo.accept()
    demo.open("/")
    expect(watching.locator('[data-vendor="meta-pixel"]')).not_to_have_attribute("data-count", "0")
