"""The cookie declaration in a browser: on small and large screens, in both directions, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page

from consent_mw import config
from consent_mw.core.model import Change
from tests import npm_packages
from tests.web.doubles import ASSETS
from tests.web.doubles import SERVICES
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

pytestmark = pytest.mark.browser

KNOWN = config.load({"services": [{"use": id_} for id_ in ("google-analytics", "google-tag-manager", "stripe")]})
DECLARED = replace(
    SITE,
    services=(*SERVICES, *KNOWN.services),
    languages=("en", "ar"),
    changes=(Change(TODAY, {"en": "We use Google Tag Manager."}),),
)
RUN = "() => axe.run(document).then(found => found.violations.map(one => one.id + ' ' + one.nodes[0].html))"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in which axe-core can be run."""
    context = chromium.new_context()
    page = context.new_page()
    page.evaluate(npm_packages.text("axe-core/axe.min.js"))
    yield page
    context.close()


def show(page: Page, lang: str) -> None:
    """Show the declaration."""
    text = Visitor(FakeContext(DECLARED)).get(f"/policy?lang={lang}").text
    sheet = f"<style>{ASSETS.read('pages.css').decode()}</style>"
    page.set_content(text.replace("</head>", sheet + "</head>"))


def test_everybody_can_read_it(page: Page) -> None:
    """axe-core finds nothing, and nothing is wider than the smallest screen, in either direction and scheme."""
    for lang, scheme, width in product(("en", "ar"), ("light", "dark"), (320, 1280)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        show(page, lang)
        assert (page.evaluate(RUN), page.evaluate("document.documentElement.scrollWidth")) == ([], width)


def test_it_is_printed_with_its_addresses(page: Page) -> None:
    """The print has the whole declaration and the addresses of its links, without controls."""
    show(page, "en")
    page.emulate_media(media="print")
    shown = "name => [...document.querySelectorAll(name)].filter(one => one.checkVisibility()).length"
    assert [page.evaluate(shown, name) for name in ("nav, .back", "article")] == [0, len(DECLARED.services)]
    link = "getComputedStyle(document.querySelector('dd a[href^=https]'), '::after').content"
    assert "authority.example" in page.evaluate(link)
