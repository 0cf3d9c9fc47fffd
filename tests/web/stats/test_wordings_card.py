"""The card that compares the wordings of the notice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from consent_mw.core.counts import Figures
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.stats.figures import published
from tests.web.stats.owner import ACCESS
from tests.web.stats.owner import log_in
from tests.web.stats.owner import machine

WORDED = replace(SITE, stats=ACCESS, wordings={"short": {"en": {"banner.title": "Cookies?"}}})


def figures(willing: float, visits: int = 1000) -> list[Figures]:
    """Return eight weeks in which visits of the other wording grant so many times as often."""
    rows = ((WORDED.form(""), 0.5, 1.0), (WORDED.form("short"), 0.5, willing))
    return published(56, visits=visits, names={"variant": rows})


def browser_of(found: list[Figures]) -> Visitor:
    """Return the owner's browser, logged in."""
    context = FakeContext(WORDED)
    assert not found or context.records.publish(found, {})
    browser = Visitor(context, scheme="https", host="shop.example")
    assert log_in(browser).status_code == 303
    return browser


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (figures(1.0), "No difference seen yet between “short” and the standard wording"),
        (figures(1.3), "“short” gets more grants than the standard wording: +"),
        (figures(0.6), "“short” gets fewer grants than the standard wording: −"),
        ([], ""),
        (published(56), "Nothing to compare yet"),
    ],
    ids=["the same", "more", "fewer", "no figures", "no figures of wordings"],
)
def test_the_card_says_what_may_be_concluded(found: list[Figures], sentence: str) -> None:
    """One sentence for each other wording, with its range, whatever period is shown."""
    for period in ("4w", "7d"):
        assert sentence in browser_of(found).get(f"/stats?period={period}").text


@pytest.mark.parametrize("lang", ["en", "de", "fr"])
def test_the_card_is_in_every_language_of_the_page(lang: str) -> None:
    """No sentence keeps a placeholder, and each wording has a row."""
    text = browser_of(figures(1.3)).get(f"/stats?lang={lang}").text
    card = text[text.index('id="wordings"') :]
    card = card[: card.index("</section>")]
    assert card.count('<th scope="row">') == 4  # two in the bars, two in the table
    assert "{" not in card


def test_machines_get_the_same_comparison() -> None:
    """The JSON has each wording's rates and the difference in points; without wordings the list is empty."""
    told = json.loads(machine(browser_of(figures(1.3)), "/stats.json").text)
    standard, short = told["wordings"]
    assert standard["difference"] is None
    assert short["difference"]["low"] > 0
    assert short["visits"]["of"] > 5000


def test_a_site_with_one_wording_has_no_card() -> None:
    """Nothing of it is shown where nothing is compared."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    context.records.publish(published(28), {})
    browser = Visitor(context, scheme="https", host="shop.example")
    log_in(browser)
    assert 'id="wordings"' not in browser.get("/stats").text
