"""axe-core finds nothing in the notice, in every layout, direction, colour scheme and width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page

from tests import npm_packages
from tests.browser.harness.looks import LARGE
from tests.browser.harness.looks import LAYOUTS
from tests.browser.harness.looks import SMALL
from tests.browser.harness.looks import Look
from tests.browser.harness.looks import show
from tests.web.doubles import ASSETS
from tests.web.doubles import Visitor
from tools import notice_pictures
from tools.notice_pictures import DISMISS
from tools.notice_pictures import MatrixLook

RUN = """() => axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(
  one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 90) + ' ' + node.failureSummary).join(' | ')))"""
STATES = ("undecided", "choosing", "decided")


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in which axe-core can be run."""
    script = npm_packages.text("axe-core/axe.min.js")
    context = chromium.new_context()
    page = context.new_page()
    # Content that is set later is in the same window.
    page.evaluate(script)
    yield page
    context.close()


def violations(page: Page) -> list[str]:
    """Return the violations that axe-core finds in the page."""
    found: list[str] = page.evaluate(RUN)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "position"), LAYOUTS, ids=[layout for layout, _ in LAYOUTS])
def test_axe_finds_nothing(page: Page, layout: str, position: str) -> None:
    """Asking, with the boxes open, and as the small control; with an opt-out signal, which adds words."""
    found = []
    for lang, scheme, size in product(("en", "ar"), ("light", "dark"), (SMALL, LARGE)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for state in STATES:
            show(page, Look(layout, position, lang, gpc=True, decided=state == "decided"), size, paragraphs=3)
            if state == "choosing":
                page.click("summary")
            found += [f"{lang} {scheme} {size[0]} {state}: {one}" for one in violations(page)]
    assert found == []


def test_axe_would_find_a_fault(page: Page) -> None:
    """axe-core really runs: it finds unreadable text."""
    show(page, Look())
    page.evaluate("document.querySelector('.cmw-text').style.setProperty('color', '#eee', 'important')")
    page.evaluate("document.querySelectorAll('[data-cmw-style]').forEach(style => style.remove())")
    assert any(one.startswith("color-contrast") for one in violations(page))


def test_axe_finds_nothing_in_what_owners_add(page: Page) -> None:
    """A notice with a logo, links, names of services and a second way to refuse, in a derived look; and services."""
    found = []
    looks = [
        MatrixLook(layout, scheme, SMALL, "en", "open" if scheme == "dark" else "closed", "furnished")
        for layout, scheme in product(DISMISS, ("light", "dark"))
    ]
    looks += [MatrixLook("bar", scheme, SMALL, "en", "unfolded", "many") for scheme in ("light", "dark")]
    for look in looks:
        notice_pictures.show(page, look)
        found += [f"{look.name}: {one}" for one in violations(page)]
    assert [one for one in found if "landmark" not in one and "region" not in one] == []


@pytest.mark.parametrize("path", ["/", "/receipt", "/placeholder/video", "/nowhere"])
def test_axe_finds_nothing_in_our_pages(page: Page, path: str) -> None:
    """The preferences, the receipt, a placeholder and an error, light and dark, on a phone."""
    text = Visitor().get(path, sec_gpc="1").text
    sheet = ASSETS.read("pages.css").decode()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
        page.set_content(re.sub(r"<link [^>]*stylesheet[^>]*>", f"<style>{sheet}</style>", text))
        assert violations(page) == []
