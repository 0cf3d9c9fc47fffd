"""The owner's additions to the notice work on a running site."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Route
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from demo_site.servers import serve_near
from tests.browser.harness.looks import document

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

BANNER, CONTROL = "[data-cmw-banner]", "[data-cmw-reopen]"
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><rect width="80" height="20"/></svg>'
GROUND = "one => getComputedStyle(one).backgroundColor"


def page_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a page of the shop, or its logo."""
    if environ["PATH_INFO"].endswith(".svg"):
        start_response("200 OK", [("Content-Type", "image/svg+xml")])
        return [LOGO]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [document(None).encode()]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site with all possible additions."""
    folder: Path = tmp_path_factory.mktemp("additions")
    config = {
        "site": {
            "records": f"sqlite:///{folder}/consent.db",
            "dismiss": "cross",
            "show_services": True,
            "reopen_position": "top-end",
            "reopen_icon": "cookie",
            "reopen_label": "always",
        },
        "theme": {
            "brand": "#e4002b",
            "scheme": "selector",
            "dark_selector": "html.dark",
            "logo": "/day.svg",
            "dark": {"logo": "/night.svg"},
        },
        "links": [{"url": "/imprint", "label": "Imprint"}],
        "services": [{"use": "google-analytics"}],
    }
    app = ConsentMiddleware(page_app, config)
    with serve_near(app, 0) as server:
        yield f"http://localhost:{server.port}/"
    app.engine.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without cookies."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    yield context
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_cross_refuses(chromium: Browser, address: str, scripts: bool) -> None:
    """A click on it is a refusal, and afterwards the control is at the owner's position, with its label."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 800}, java_script_enabled=scripts, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Continue without accepting").click()
    page.locator(BANNER).wait_for(state="detached")
    page.locator(CONTROL).wait_for()
    box = page.locator(CONTROL).bounding_box()
    assert box is not None
    assert (round(1280 - box["x"] - box["width"]), round(box["y"])) == (14, 14)
    expect(page.locator(CONTROL).get_by_text("Cookie choices")).to_be_visible()
    page.goto(address + "_cmw/")
    expect(page.locator("#now + p")).to_have_text(re.compile("^Everything that needs your permission is off[.]"))
    context.close()


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "opened"])
@pytest.mark.parametrize("button", ["Accept all", "Reject all"])
def test_the_answer_tells_whether_the_choices_were_open(
    visitor: BrowserContext, address: str, button: str, opened: bool
) -> None:
    """The form says so in a field; that they were opened causes no request of its own."""
    page = visitor.new_page()
    page.goto(address)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if opened:
        page.locator(BANNER).get_by_text("Choose", exact=True).click()
        expect(page.get_by_role("button", name="Save choice")).to_be_visible()
        assert [url for url in asked if "/_cmw/" in url] == []
    with page.expect_request("**/_cmw/choice") as sent:
        page.get_by_role("button", name=button).click()
    assert parse_qs(sent.value.post_data or "").get("opened") == (["yes"] if opened else None)


def test_the_notice_is_dark_where_the_page_is(visitor: BrowserContext, address: str) -> None:
    """It follows the page's dark mark at once, whatever the visitor prefers, and loads only the visible logo."""
    page = visitor.new_page()
    loaded = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    with page.expect_response("**/day.svg"):
        page.goto(address)
    light = page.locator(BANNER).evaluate(GROUND)
    assert [name for name in loaded if name.endswith(".svg")] == ["day.svg"]
    with page.expect_response("**/night.svg"):
        page.evaluate("document.documentElement.className = 'dark'")
    dark = page.locator(BANNER).evaluate(GROUND)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(25, 28, 36)")
    page.evaluate("document.documentElement.className = ''")
    assert page.locator(BANNER).evaluate(GROUND) == light


#: The opacity of the reopened notice in each frame, from the first frame with it.
FRAMES = """() => new Promise(done => {
  const seen = [];
  const look = () => {
    const banner = document.querySelector('[data-cmw-banner]');
    if (banner) seen.push(+getComputedStyle(banner).opacity);
    if (seen[seen.length - 1] === 1) done([seen[0], banner.getAnimations().length]);
    else requestAnimationFrame(look);
  };
  look();
})"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_notice_fades_in_when_it_is_opened_again(chromium: Browser, address: str, motion: str) -> None:
    """It comes in a fifth of a second, in spite of the armour; at once for a visitor who prefers reduced motion."""
    context = chromium.new_context(reduced_motion="reduce" if motion == "reduce" else "no-preference")
    page = context.new_page()
    page.goto(address)
    page.locator("[data-cmw-action=reject-all]").click()
    page.locator(CONTROL).wait_for()
    page.evaluate(f"() => {{ window.comingBack = ({FRAMES})(); }}")
    page.locator("[data-cmw-action=open]").click()
    first, running = page.evaluate("window.comingBack")
    assert (first < 1, running) == (motion == "no-preference", 0)
    durations = page.locator(BANNER).evaluate("one => getComputedStyle(one).transitionDuration")
    assert durations == ("0.18s, 0.18s" if motion == "no-preference" else "0s")
    context.close()


def test_buttons_show_that_an_answer_is_on_its_way(visitor: BrowserContext, address: str) -> None:
    """While the choice is being sent, the form is busy and its buttons are faint, including the pressed one."""
    page = visitor.new_page()
    page.goto(address)
    waiting: list[Route] = []
    page.route("**/_cmw/choice", lambda route: waiting.append(route))
    with page.expect_request("**/_cmw/choice"):
        page.locator("[data-cmw-action=reject-all]").click()
    page.locator(".cmw-form[aria-busy=true]").wait_for()
    page.wait_for_function("getComputedStyle(document.querySelector('[value=accept-all]')).opacity === '0.6'")
    waiting[0].continue_()
    page.locator(BANNER).wait_for(state="detached")
    page.locator("[data-cmw-action=open]").click()
    button = page.locator("[data-cmw-action=reject-all]")
    button.hover()
    page.mouse.down()
    page.wait_for_function("getComputedStyle(document.querySelector('[value=reject-all]')).opacity === '0.6'")
