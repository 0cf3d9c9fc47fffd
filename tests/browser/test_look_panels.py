"""The panel in place of a held embed, in frames from the size of an icon to the width of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from demo_site.servers import serve_near
from tests.browser.harness.looks import document

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

ICON = (64, 64)
SMALL = ((88, 31), (120, 120), (160, 90), (200, 60), (300, 80))
#: Sizes in which the title and the buttons leave little or no room for the explanation.
NARROW = ((64, 240), (120, 240), (200, 113), (240, 200), (256, 192), (320, 240), (336, 280), (468, 60))
WIDE = ((320, 180), (512, 90), (728, 90), (560, 315), (300, 600), (1200, 160))
LANGUAGES = ("en", "de", "fr", "ar", "el", "ja", "th")
SERVICES = ("youtube", "google-maps")

#: Returns what is wrong with the panel: buttons that are cut or covered, and lines of which a part is seen.
PROBLEMS = """() => {
  const found = [], seen = one => one.getClientRects().length > 0;
  if (document.documentElement.scrollWidth > innerWidth) found.push('scrolls sideways');
  const buttons = [...document.querySelectorAll('button')].filter(seen);
  if (!buttons.length) found.push('no button');
  buttons.forEach(one => {
    const box = one.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth || box.top < 0 || box.bottom > innerHeight) {
      found.push('button outside: ' + one.textContent);
    }
    if (!one.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2))) {
      found.push('button covered: ' + one.textContent);
    }
    if (box.height < 24 || box.width < 24) found.push('button small: ' + one.textContent);
  });
  document.querySelectorAll('h1, p').forEach(one => {
    const range = document.createRange(), box = (one.closest('.whole') || document.body).getBoundingClientRect();
    range.selectNodeContents(one);
    // What is only for screen readers is a pixel wide.
    if (box.width < 2 || one.offsetWidth < 2) return;
    const bottom = Math.min(box.bottom, innerHeight);
    for (const line of range.getClientRects()) {
      const high = Math.min(line.bottom, bottom) - Math.max(line.top, 0);
      const seen = line.left < Math.min(box.right, innerWidth) - 1 && line.right > Math.max(box.left, 0) + 1;
      if (seen && high > 3 && high < line.height - 3) found.push('line cut: ' + one.textContent);
    }
  });
  return found;
}"""


def page_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a page of the shop."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [document(None).encode()]


@pytest.fixture(scope="module")
def panel(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser's page, at the address of a site whose videos are held."""
    folder: Path = tmp_path_factory.mktemp("panels")
    config = {
        "site": {"records": f"sqlite:///{folder}/consent.db", "languages": list(LANGUAGES)},
        "services": [{"use": service} for service in SERVICES],
    }
    app = ConsentMiddleware(page_app, config)
    with serve_near(app, 0) as server:
        context = chromium.new_context(base_url=f"http://localhost:{server.port}")
        yield context.new_page()
        context.close()
    app.engine.close()


def test_nothing_is_cut_at_any_size(panel: Page) -> None:
    """No button is cut or covered, each line is seen whole or not at all, and nothing scrolls sideways."""
    wrong = {}
    for lang, service in product(LANGUAGES, SERVICES):
        panel.set_extra_http_headers({"Accept-Language": lang})
        panel.goto(f"/_cmw/placeholder/{service}")
        expect(panel.locator("html")).to_have_attribute("lang", lang)
        for width, height in (ICON, *SMALL, *NARROW, *WIDE):
            panel.set_viewport_size({"width": width, "height": height})
            if found := panel.evaluate(PROBLEMS):
                wrong[f"{service} {lang} {width}x{height}"] = found
    panel.set_extra_http_headers({})
    assert wrong == {}


def test_a_small_panel_has_one_button(panel: Page) -> None:
    """Where two buttons cannot stand beside each other, the one that loads the embed once remains."""
    panel.goto("/_cmw/placeholder/youtube")
    seen = {}
    for size in (ICON, *SMALL, *WIDE):
        panel.set_viewport_size({"width": size[0], "height": size[1]})
        seen[size] = [one.get_attribute("value") for one in panel.locator("button:visible").all()]
    assert seen == {**dict.fromkeys((ICON, *SMALL), ["once"]), **dict.fromkeys(WIDE, ["once", "save"])}


def test_an_icon_says_what_it_does(panel: Page) -> None:
    """Where the glyph stands in place of the words, the button keeps its name, and its tooltip says what is held."""
    panel.goto("/_cmw/placeholder/youtube")
    panel.set_viewport_size({"width": ICON[0], "height": ICON[1]})
    button = panel.get_by_role("button", name="Load this once")
    expect(button).to_have_attribute("title", re.compile("^YouTube: switched off\nTo show this content"))
    assert button.evaluate("one => one.offsetWidth > innerWidth * .8")
