"""How the owner's pages look and are used: small screens, both directions, the keyboard, forced colours, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw.core.counts import Figures
from consent_mw.notice.assets import root
from consent_mw.stats.texts import TEXTS
from consent_mw.web.app import create_app
from demo_site.servers import Server
from tests.web.doubles import MOUNT
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.stats.figures import merged
from tests.web.stats.figures import one_day
from tests.web.stats.figures import published
from tests.web.stats.owner import ACCESS
from tests.web.stats.owner import PASSWORD

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

LONG = "research-network.of-a-university-with-a-long-name.somewhere.example.ac.uk"
DATA = {
    "empty": [],
    "one day": one_day(),
    "merged": merged(),
    "years": published(1100, changed=[TODAY - 500, TODAY - 40, TODAY - 38, TODAY - 3]),
    "long names": published(40, names={"isp": ((LONG, 0.5, 1.0), ("x" * 63 + ".example", 0.5, 1.0))}),
}
#: What a browser says of the page in one go.
LAYOUT = """() => ({
  wider: document.documentElement.scrollWidth - innerWidth,
  small: [...document.querySelectorAll('a, button, input, summary')].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width && !each.matches('.skip') && (box.width < 24 || box.height < 24);
  }).map(each => each.outerHTML),
  flat: [...document.querySelectorAll('svg.chart, svg.bar, svg.shares')].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width < 50 || box.height < 10;
  }).length,
})"""


class _Site:
    """The owner's pages of one site on a port of its own."""

    def __init__(self, figures: list[Figures]) -> None:
        context = FakeContext(replace(SITE, stats=ACCESS))
        if figures:
            assert context.records.publish(figures, {})
        app = create_app(context)

        def mounted(environ: WSGIEnvironment, start_response: StartResponse) -> object:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = MOUNT, environ["PATH_INFO"].removeprefix(MOUNT)
            return app(environ, start_response)

        self._server = Server(mounted)  # type: ignore[arg-type]
        self.address = f"http://localhost:{self._server.port}{MOUNT}/stats"

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, _Site]]:
    """A site for each amount of data."""
    found = {name: _Site(figures) for name, figures in DATA.items()}
    yield found
    for site in found.values():
        site.close()


@pytest.fixture
def arabic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that is written from right to left; its words do not matter here."""
    for module in ("stats.words", "web.stats.words", "web.stats.views", "web.stats.selection"):
        monkeypatch.setattr(f"consent_mw.{module}.TEXTS", {**TEXTS, "ar": TEXTS["en"]})


def open_page(browser: Browser, site: _Site, query: str = "", **options: object) -> Page:
    """Return the page as it is after a login with the form, without scripts unless they are asked for."""
    context = browser.new_context(**{"java_script_enabled": False, **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(site.address + query)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    page.wait_for_selector(".hero")
    page.wait_for_load_state()
    return page


@pytest.mark.browser
def test_everything_works_without_scripts(chromium: Browser, sites: dict[str, _Site]) -> None:
    """Logging in, choosing a period, a purpose and days, opening a table, and logging out need no script."""
    page = open_page(chromium, sites["years"])
    page.get_by_role("link", name="12 weeks").click()
    expect(page.get_by_role("link", name="12 weeks")).to_have_attribute("aria-current", "page")
    page.get_by_role("navigation", name="Show").get_by_role("link", name="Marketing").click()
    expect(page.get_by_role("img", name="Share of answers that accept marketing")).to_be_visible()
    page.get_by_text("Show the figures: Consent rate over time").click()
    expect(page.locator("#line table")).to_be_visible()
    page.get_by_text("Other days").click()
    page.get_by_label("First day").fill("2026-10-05")
    page.get_by_label("Last day").fill("2026-10-11")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".context")).to_contain_text("5–11\xa0Oct 2026")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("name", DATA)
@pytest.mark.usefixtures("arabic")
def test_the_page_fits_every_screen(
    chromium: Browser, sites: dict[str, _Site], name: str, width: int, lang: str
) -> None:
    """No screen scrolls sideways, no control is too small for a finger, no picture collapses; all tables are open."""
    period = "3y" if name == "years" else "12w"
    query = f"?period={period}&lang={lang}&table=isp"
    page = open_page(chromium, sites[name], query, viewport={"width": width, "height": 700}, java_script_enabled=True)
    for _ in ("closed", "open"):
        assert page.evaluate(LAYOUT) == {"wider": 0, "small": [], "flat": 0}
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.context.close()


@pytest.mark.browser
@pytest.mark.usefixtures("arabic")
def test_pictures_turn_round_with_the_writing(chromium: Browser, sites: dict[str, _Site]) -> None:
    """From right to left the first day stands at the right, and bars grow from there."""
    for lang, right in (("en", False), ("ar", True)):
        page = open_page(chromium, sites["years"], f"?period=12w&lang={lang}", java_script_enabled=True)
        ticks = page.evaluate(
            "[...document.querySelectorAll('#line text.level-0')].map(each => each.getBoundingClientRect().x)"
        )
        assert (ticks[0] > ticks[-1]) is right
        gap = page.evaluate(
            """() => {
              const [bar, fill] = ['.key .bar', '.key .fill'].map(one => document.querySelector(one));
              return Math.abs(bar.getBoundingClientRect().right - fill.getBoundingClientRect().right);
            }"""
        )
        assert (gap < 1) is right
        page.context.close()


@pytest.mark.browser
def test_the_keyboard_skips_the_head(chromium: Browser, sites: dict[str, _Site]) -> None:
    """The first stop is a link that shows itself and leads to the figures; each stop after it is visible."""
    page = open_page(chromium, sites["merged"], "?period=12w", java_script_enabled=True)
    page.keyboard.press("Tab")
    box = page.locator(".skip").bounding_box()
    assert box
    assert box["height"] >= 24
    page.keyboard.press("Enter")
    expect(page.locator("#figures")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.context.close()


@pytest.mark.browser
def test_a_pointer_reads_out_a_day(chromium: Browser, sites: dict[str, _Site]) -> None:
    """Where a pointer rests on the line, the figures of that day are written into the chart, without a script."""
    page = open_page(chromium, sites["years"], "?period=12w")
    run = page.locator("#line .run").nth(30)
    expect(run.locator(".note")).to_be_hidden()
    run.locator(".hit").hover(force=True)
    expect(run.locator(".note")).to_be_visible()
    page.context.close()


@pytest.mark.browser
def test_forced_colours_keep_every_word(chromium: Browser, sites: dict[str, _Site]) -> None:
    """Where a visitor forces colours, what is chosen is still told apart, and has not the colour of its ground."""
    page = open_page(chromium, sites["years"], "?period=12w", forced_colors="active", java_script_enabled=True)
    for selector in (".period [aria-current]", ".tabs [aria-current]", ".flags b", ".plain"):
        colour, ground = page.evaluate(
            """one => {
              const style = getComputedStyle(document.querySelector(one));
              return [style.color, style.backgroundColor];
            }""",
            selector,
        )
        assert colour != ground, selector
    page.context.close()


@pytest.mark.browser
def test_paper_gets_the_figures_and_no_controls(chromium: Browser, sites: dict[str, _Site]) -> None:
    """In print the sentence and the charts stay; links to press, the period picker and closed tables go."""
    page = open_page(chromium, sites["years"], "?period=12w")
    page.emulate_media(media="print")
    for selector, seen in ((".hero", True), ("#line svg.chart", True), (".key", True), (".period ul", False)):
        expect(page.locator(selector)).to_be_visible(visible=seen)
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    page.context.close()


# -- the colours, without a browser


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of the style sheet in a scheme."""
    sheet = (root() / "dashboard.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block)) for block in blocks[:2])
    return light if scheme == "light" else {**light, **dark}


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast(scheme: str) -> None:
    """Text stands out by 4.5 to 1 on every ground it has; lines, bars, patterns and borders by 3 to 1."""
    found = colours(scheme)
    words_on = [(text, ground) for text in ("ink", "soft", "link") for ground in ("paper", "ground", "fill")]
    words_on += [("on", "main"), ("on", "over"), ("on", "flag")]
    for text, ground in words_on:
        assert contrast(found[text], found[ground]) >= 4.5, (text, ground)
    for shape in ("accept", "partial", "reject", "open", "edge", "flag", "band"):
        assert contrast(found[shape], found["paper"]) >= 3, shape
    assert contrast(found["focus"], found["ground"]) >= 3


def test_the_sheet_loads_nothing() -> None:
    """The style sheet names no address: what it shows is all in it."""
    sheet = (root() / "dashboard.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|@font-face|expression|javascript:", sheet)
