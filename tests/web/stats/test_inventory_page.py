"""The owner's page of what the site loads: who may see it, and what stands on it."""

from __future__ import annotations

import pytest

from consent_mw.core.model import StatsAccess
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.stats.texts import TEXTS
from tests.web.doubles import TODAY
from tests.web.doubles import Visitor
from tests.web.stats.owner import inside
from tests.web.stats.owner import machine
from tests.web.stats.owner import owner

SEEN = {
    PAGE: Occurrence(TODAY - 90, TODAY, 42),
    Sighting("cdn.test", "style"): Occurrence(TODAY - 90, TODAY - 90, 40),
    Sighting("hotjar.com", "script", "hotjar", held=True): Occurrence(TODAY, TODAY, 2, "/checkout"),
    Sighting("<b>x.test", "script", "host-x-test", held=True): Occurrence(TODAY, TODAY, 1),
}


@pytest.fixture
def browser() -> Visitor:
    """An owner who is logged in, of a site with an inventory."""
    found = inside()
    found.context.records.observe(SEEN)
    return found


def test_it_shows_what_is_new_and_the_lines_to_paste(browser: Visitor) -> None:
    """Whatever the site loads stands there, escaped, with its place, its standing and what to do."""
    page = browser.get("/stats/inventory").text
    assert "42 pages were looked at." in page
    assert '<li><bdi>hotjar.com</bdi> <span class="quiet">on /checkout</span>' in page
    assert "use = &#34;hotjar&#34;" in page
    assert "<li><bdi>cdn.test" not in page
    assert "<bdi>cdn.test" in page
    assert "<b>x.test" not in page


@pytest.mark.parametrize("lang", sorted(TEXTS))
def test_it_speaks_the_languages_of_the_figures(browser: Visitor, lang: str) -> None:
    """Every language has its words; the page of the figures links to it."""
    page = browser.get(f"/stats/inventory?lang={lang}").text
    assert f'<html lang="{lang}"' in page
    assert TEXTS[lang]["inv.title"] in page
    assert 'href="/_cmw/stats/inventory"' in browser.get("/stats").text


def test_nobody_else_sees_it() -> None:
    """Without a password there is nothing there; without a login there is the way in."""
    assert owner(access=StatsAccess()).get("/stats/inventory").status_code == 404
    answer = owner().get("/stats/inventory")
    assert (answer.status_code, "hotjar" in answer.text) == (403, False)


def test_metrics_count_domains(browser: Visitor) -> None:
    """At an address of their own, by what they are, and how many are new; for machines with the token alone."""
    text = machine(browser, "/metrics/inventory").text
    assert 'consent_mw_inventory_domains{standing="known"} 1.0' in text
    assert 'consent_mw_inventory_new_domains{standing="known"} 1.0' in text
    assert 'consent_mw_inventory_new_domains{standing="own"} 0.0' in text
    assert owner().get("/metrics/inventory").status_code == 404


def test_metrics_say_on_how_many_pages_a_service_was_held_and_ran(browser: Visitor) -> None:
    """A service is held on some pages and runs on others; a number of pages is not exact enough to betray a visitor."""
    browser.context.records.observe(
        {
            Sighting("hotjar.com", "script", "hotjar", held=True): Occurrence(TODAY, TODAY, 57),
            Sighting("hotjar.com", "picture", "hotjar", held=True): Occurrence(TODAY, TODAY, 3),
            Sighting("hotjar.com", "script", "hotjar", held=False): Occurrence(TODAY, TODAY, 123),
        }
    )
    text = machine(browser, "/metrics/inventory").text
    assert 'consent_mw_inventory_service_pages{outcome="held",service="hotjar"} 10.0' in text
    assert 'consent_mw_inventory_service_pages{outcome="ran",service="hotjar"} 100.0' in text
