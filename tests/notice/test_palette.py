"""Looks that are derived from one or two colours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.core.model import Theme
from consent_mw.errors import ConfigError
from consent_mw.notice import palette
from consent_mw.notice import theme as theming

HEX = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
#: A red, a yellow that white text cannot stand on, a dark green, a grey.
BRANDS = ("#e4002b", "#ffd400", "#0b5d3b", "#808080")


@given(HEX, st.none() | HEX, st.booleans())
def test_no_brand_is_hard_to_read(brand: str, paper: str | None, dark: bool) -> None:
    """Whatever brand colour and background an owner has, every pair of the look has the contrast that it needs."""
    own = {"paper": paper} if paper else {}
    theme = Theme(light=own, dark=own, brand=brand)
    assert [pair for pair, ratio in theming.ratios(theme, dark=dark) if ratio < pair.least] == []


@given(HEX, HEX, st.sampled_from(["ink", "soft", "on", "main", "over", "fill", "edge", "focus"]))
def test_what_an_owner_sets_stays(brand: str, colour: str, name: str) -> None:
    """Only the colours that are not set are derived."""
    assert theming.colours(Theme(light={name: colour}, brand=brand))[name] == colour


@pytest.mark.parametrize("brand", BRANDS)
def test_a_brand_that_fits_is_kept(brand: str) -> None:
    """The buttons have the brand's own colour if it stands out from the background, and its hue if not."""
    main = theming.colours(Theme(brand=brand))["main"]
    assert main == brand or palette.contrast(brand, "#ffffff") < palette.SHAPE
    assert theming.colours(Theme(brand=brand))["over"] != main


def test_one_colour_is_for_light_and_dark() -> None:
    """The dark look follows the same brand, unless it has one of its own."""
    light, dark = (theming.colours(Theme(brand="#0b5d3b"), dark=at_night)["main"] for at_night in (False, True))
    own = theming.colours(Theme(brand="#0b5d3b", dark_brand="#8fe0b8"), dark=True)["main"]
    assert (light, own, dark not in (light, theming.DARK["main"])) == ("#0b5d3b", "#8fe0b8", True)


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#123456", "#fedcba"])
def test_a_colour_survives_its_lightness_and_hue(colour: str) -> None:
    """Taken apart and put together again it is the same, to a step of one channel."""
    again = palette._hex(palette._oklch(colour))
    steps = [abs(int(colour[at : at + 2], 16) - int(again[at : at + 2], 16)) for at in (1, 3, 5)]
    assert max(steps) <= 1


def refusals(tables: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a configuration: the place, and the problem."""
    with pytest.raises(ConfigError) as caught:
        config.load(tables)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_a_colour_of_the_owner_is_still_measured() -> None:
    """Beside a brand, a colour that cannot be read is refused, and the message says what is derived."""
    found = refusals({"theme": {"brand": "#e4002b", "soft": "#bbbbbb"}})
    assert "(derived)" in found["theme.soft"]


@pytest.mark.parametrize(
    ("theme", "where", "what"),
    [
        ({"brand": "red"}, "theme.brand", "is not a colour"),
        ({"dark": {"brand": 7}}, "theme.dark.brand", "is a number"),
        ({"scheme": "night"}, "theme.scheme", "is not known here"),
        ({"scheme": "selector"}, "theme.scheme", "Nothing says when your pages are dark"),
        ({"dark_selector": "html.dark"}, "theme.dark_selector", "has no effect"),
        ({"scheme": "selector", "dark_selector": "html .dark"}, "theme.dark_selector", "is not a selector"),
        ({"scheme": "selector", "dark_selector": "html.a{}b"}, "theme.dark_selector", "is not a selector"),
        ({"scheme": "light", "dark": {"main": "#8fe0b8", "on": "#021"}}, "theme.dark", "nobody sees the dark look"),
        ({"logo": "https://cdn.example/logo.svg"}, "theme.logo", "is not a path on this site"),
        ({"logo": "//cdn.example/logo.svg"}, "theme.logo", "is not a path on this site"),
        ({"dark": {"logo": "/night.svg"}}, "theme.dark.logo", "none for light ones"),
    ],
)
def test_mistakes_in_a_theme_are_told(theme: dict[str, Any], where: str, what: str) -> None:
    """A theme that could not be shown is refused at start-up, at its place."""
    assert what in refusals({"theme": theme})[where]


def test_a_scheme_is_for_everybody() -> None:
    """A notice that is always light, or always dark, does not ask what the visitor prefers, nor do the pages."""
    light, dark = Theme(scheme="light"), Theme(scheme="dark")
    assert "@media" not in theming.rules(light) + theming.rules(dark) + theming.page_rules(light)
    assert (theming.LIGHT["soft"] in theming.rules(light), theming.DARK["soft"] in theming.rules(dark)) == (True, True)
    assert "color-scheme: light" in theming.page_rules(light)
    assert "color-scheme: dark" in theming.page_rules(dark)


def test_a_notice_can_follow_the_marks_of_the_page() -> None:
    """With a selector the dark colours hold where the page is marked, whatever the visitor prefers."""
    found = theming.rules(Theme(scheme="selector", dark_selector="html.dark"))
    assert ("html.dark .cmw-ui{" in found, "@media" in found) == (True, False)
