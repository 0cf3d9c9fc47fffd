"""The look of the notice: what is measured, what is refused, and what is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.config.schema import COLOURS
from consent_mw.config.schema import POSITIONS
from consent_mw.core.model import Theme
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.notice import palette
from consent_mw.notice import theme as theming
from consent_mw.notice.assets import property_of
from consent_mw.notice.banner import Notice
from tests.web.doubles import ASSETS
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.doubles import rules_of

HEX = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


def refused(theme: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with a theme."""
    with pytest.raises(ConfigError) as caught:
        config.load({"theme": theme})
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.478),
        ("#767676", "#ffffff", 4.542),
        ("#ff0000", "#ffffff", 3.998),
        ("#0000ff", "#000000", 2.444),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    """Known ratios come out, whichever colour is named first."""
    found = [palette.contrast(one, other), palette.contrast(other, one)]
    assert found == pytest.approx([expected, expected], abs=0.001)


@given(HEX, HEX)
def test_contrast_lies_between_1_and_21(one: str, other: str) -> None:
    """Any two colours have a ratio within the bounds of the definition."""
    assert 1 <= palette.contrast(one, other) <= 21.0001


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_built_in_look_can_be_read(dark: bool) -> None:
    """Every pair of our own colours has the contrast that it needs, light and dark."""
    assert [pair for pair, ratio in theming.ratios(Theme(), dark=dark) if ratio < pair.least] == []


def test_every_colour_is_measured_but_the_hairline() -> None:
    """Each setting but ``line``, which only adorns, is in a pair; the built-in looks have every setting."""
    measured = {name for pair in theming.PAIRS for name in (pair.front, pair.back)}
    assert (set(theming.LIGHT), set(theming.DARK), measured | {"line"}) == (set(COLOURS),) * 3


def test_a_theme_that_can_be_read_is_taken() -> None:
    """The example of the documents is accepted, with both forms of a colour."""
    site = config.load({"theme": {"main": "#0b5d3b", "dark": {"main": "#8fe0b8", "on": "#021"}, "radius": 0}})
    assert (site.theme.light, site.theme.dark) == ({"main": "#0b5d3b"}, {"main": "#8fe0b8", "on": "#021"})


def test_a_faint_text_is_refused_at_start_up() -> None:
    """The message names the setting, both colours, the contrast, what is needed, and what to change."""
    problem, _ = refused({"soft": "#999999"})
    assert str(problem) == (
        "theme.soft: Quieter text would be hard to read: soft #999999 against paper #ffffff (built in) has a contrast "
        "of 2.84:1, where 4.5:1 is needed. Make soft darker, or change paper as well."
    )


@pytest.mark.parametrize(
    ("theme", "remedy"),
    [
        ({"ink": "#ffffff", "paper": "#fafafa"}, "Make ink darker"),
        ({"ink": "#000000", "paper": "#0a0a0a"}, "Make ink lighter"),
        ({"on": "#ffffff", "main": "#dddddd"}, "Make on darker"),
        ({"on": "#999999", "main": "#444444"}, "Make on lighter"),
        ({"soft": "#777777", "paper": "#ffffff"}, "Make soft darker"),
    ],
)
def test_the_remedy_can_be_followed(theme: dict[str, str], remedy: str) -> None:
    """Nothing is lighter than white, so white on nearly white has to become darker."""
    with pytest.raises(ConfigError) as caught:
        config.load({"theme": theme})
    setting = remedy.split()[1]
    remedies = [one.remedy for one in caught.value.problems if one.where == f"theme.{setting}"]
    assert remedy in remedies[0]


def test_the_place_of_a_faint_colour_is_its_line(tmp_path: Any) -> None:
    """In a file the message names the file and the line."""
    file = tmp_path / "consent.toml"
    file.write_text('[theme]\nradius = 4\n\n[theme.dark]\nedge = "#333333"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert {problem.where for problem in caught.value.problems} == {f"{file}:5: theme.dark.edge"}


def test_a_contrast_is_not_rounded_up() -> None:
    """4.478 is told as 4.47 and refused, although it would round to 4.5."""
    problem, _ = refused({"soft": "#777777"})
    assert "has a contrast of 4.47:1, where 4.5:1 is needed" in problem.what


def test_all_faint_pairs_are_told_at_once() -> None:
    """Each pair is told once, light and dark, with the other mistakes of the configuration."""
    found = refused({"paper": "#000000", "radius": 99, "dark": {"focus": "#191c24"}})
    assert [problem.where for problem in found].count("theme.paper") == 4
    assert {problem.where for problem in found} == {"theme.paper", "theme.radius", "theme.dark.focus"}


def test_the_colour_under_the_pointer_follows_the_main_one() -> None:
    """An owner's ``main`` alone is not joined by a built-in ``over`` of another hue, and is told once."""
    assert theming.colours(Theme(light={"main": "#0b5d3b"}))["over"] == "#0b5d3b"
    assert [problem.where for problem in refused({"main": "#cccccc"})] == ["theme.main", "theme.main"]


@pytest.mark.parametrize("key", ["accept", "reject_color", "primary", "allow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_theme_sets_one_button_apart(key: str, dark: bool) -> None:
    """Whoever looks for a colour of one button is told that both have the same."""
    (problem,) = refused({"dark": {key: "#000000"}} if dark else {key: "#000000"})
    assert (problem.what, problem.remedy) == (
        "Accept and reject share their colours.",
        "Set main, over and on; they apply to both.",
    )


@given(st.dictionaries(st.sampled_from(COLOURS), HEX), st.integers(-1, 40), st.sampled_from([0, 20, 120]))
def test_whatever_the_theme_the_buttons_share_it(light: dict[str, str], radius: int, width: int) -> None:
    """The theme is one rule of custom properties on the notice as a whole, so that no button has one of its own."""
    found = theming.rules(Theme(light=light, radius=radius, width=width))
    assert {part.rpartition("}")[2].rpartition("{")[2].strip() for part in found.split("{")[:-1]} <= {
        ".cmw-ui",
        "@media (prefers-color-scheme: dark)",
        "",
    }
    assert "cmw-btn" not in found


def test_what_is_not_used_is_not_sent() -> None:
    """The small control gets the colours that it has, and no others."""
    alone = theming.sheets_of(SITE, ASSETS, {})["alone.css"]
    assert (f"{property_of('edge')}:" in alone, f"{property_of('main')}:" in alone) == (True, False)


def test_a_light_look_at_night_is_one_rule() -> None:
    """Where light and dark are the same there is no rule for the dark, and boxes are the browser's light ones."""
    found = theming.rules(Theme(dark=theming.LIGHT))
    assert ("@media" in found, "color-scheme: light" in found, "color-scheme: dark" in found) == (False, True, False)


def test_boxes_follow_the_background() -> None:
    """A dark background gets the browser's dark boxes, whatever the visitor prefers."""
    assert "color-scheme: dark" in theming.rules(Theme(light=theming.DARK)).partition("@media")[0]


def test_shape_and_font_are_the_owners() -> None:
    """Radius, font and width arrive as custom properties of the notice."""
    site = config.load({"theme": {"radius": 3, "font": 'Inter, "Segoe UI"', "width": 44}})
    style = theming.sheets_of(replace(SITE, theme=site.theme), ASSETS, {})["banner.css"]
    for name, value in (("round", "3px"), ("font", 'Inter,"Segoe UI"'), ("width", "44em")):
        assert f"{property_of(name)}:{value}!important" in style


def test_the_short_names_of_properties_differ() -> None:
    """Each property of a theme has a name of its own as it is served, and none has that of the banner's height."""
    names = [*theming.LIGHT, "round", "font", "width", "h"]
    assert len({property_of(name) for name in names}) == len(names)
    assert all(len(property_of(name)) == len("--cmw-h") for name in names)


def test_the_pages_have_the_look_too() -> None:
    """The preferences get the owner's colours on a ground that was measured; where none is set, nothing."""
    site = config.load({"theme": {"main": "#0b5d3b", "font": "Inter"}})
    notice = Notice(replace(SITE, theme=site.theme), ASSETS)
    content, _ = ASSETS.find(notice.pages_sheet) or (b"", "")
    plain = ASSETS.read("pages.css")
    assert content.startswith(plain)
    for part in (b"--main:#0b5d3b", b"--ground:var(--paper)", b"--link:var(--ink)", b"body{font-family:Inter}"):
        assert part in content.removeprefix(plain)
    assert Notice(SITE, ASSETS).pages_sheet == ASSETS.path("pages.css")


@pytest.mark.parametrize("layout", POSITIONS)
def test_only_the_chosen_layout_is_sent(layout: str) -> None:
    """The sheet of another layout costs no visitor a byte."""
    style = Notice(replace(SITE, layout=layout), ASSETS).style(True)
    sheets = {name: rules_of(f"{name}.css") for name in ("top", *(f"layout-{name}" for name in POSITIONS))}
    assert [name for name, rules in sheets.items() if rules in style] == [f"layout-{layout}"]


@pytest.mark.parametrize(("languages", "expected"), [(("en", "de"), 0), (("en", "ar"), 1), (("ar", "ja"), 2)])
def test_only_languages_that_need_them_get_rules(languages: tuple[str, ...], expected: int) -> None:
    """The direction of Arabic and the line breaks of Japanese cost sites in other languages nothing."""
    style = Notice(replace(SITE, languages=languages), ASSETS).style(True)
    assert ("[dir=rtl]" in style) + (":lang(ja)" in style) == expected


def test_answers_are_counted_under_their_layout() -> None:
    """The form of the notice that was answered is the layout, so that owners can compare them."""
    context = FakeContext(replace(SITE, layout="dialog"))
    Visitor(context).post(("action", "reject-all"))
    assert [told[4] for told in context.counting.told] == ["dialog"]


def test_another_theme_is_another_notice() -> None:
    """What visitors were shown is kept with its look: the document's address changes with the theme and the layout."""
    looks = (SITE, replace(SITE, theme=Theme(light={"main": "#0b5d3b"})), replace(SITE, layout="dialog"))
    assert len({Notice(site, ASSETS).digest for site in looks}) == 3
