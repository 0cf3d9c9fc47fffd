"""
The theme of the notice: built-in and owner's colours and shape, and the check of their contrast.

:func:`problems` measures every pair of adjoining colours (WCAG 2.2, success criteria 1.4.3 and 1.4.11); :func:`rules`
writes the theme as custom properties. The accept and reject buttons share all of them, so that no theme can make them
differ.

Limits: the owner's own style sheets are not considered here; the notice is protected against them
(:func:`consent_mw.notice.assets.armour_css`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from consent_mw.core.model import Site
from consent_mw.core.model import Theme
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import armour_css

#: The default position of each layout.
POSITIONS: Mapping[str, str] = MappingProxyType({"bar": "bottom", "corner": "bottom-end", "dialog": "center"})

#: The built-in colours for visitors who prefer light, or have no preference.
LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#ffffff",
        "ink": "#171a21",
        "soft": "#4b5361",
        "line": "#dfe3ea",
        "edge": "#7d8696",
        "fill": "#f2f4f8",
        "main": "#22304f",
        "over": "#314368",
        "on": "#ffffff",
        "focus": "#2563eb",
    }
)
#: The same for visitors who prefer dark.
DARK: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#191c24",
        "ink": "#f2f4f8",
        "soft": "#b4bcc9",
        "line": "#343a47",
        "edge": "#7f8898",
        "fill": "#262b36",
        "main": "#dfe6f5",
        "over": "#ffffff",
        "on": "#141821",
        "focus": "#8ab4ff",
    }
)
RADIUS = 10
FONT = "system-ui,sans-serif"

#: Keys that an owner might try in order to make one button more prominent.
_OF_ONE_BUTTON = re.compile(r"accept|reject|refuse|deny|decline|allow|agree|primary|secondary", re.IGNORECASE)
_USED = re.compile(r"var\(--cmw-([a-z]+)")
#: Below this luminance of the background, form controls and scroll bars use the browser's dark scheme.
_DARK_PAPER = 0.18


@dataclass(frozen=True, slots=True)
class Pair:
    """Two adjoining colours of the notice, their minimum contrast, and where they occur."""

    front: str
    back: str
    least: float
    where: str


#: The minimum contrast of text (WCAG 2.2, 1.4.3) and of controls (1.4.11).
TEXT = 4.5
SHAPE = 3.0

#: Every pair of adjoining colours.
PAIRS = (
    Pair("ink", "paper", TEXT, "Text"),
    Pair("soft", "paper", TEXT, "Quieter text"),
    Pair("ink", "fill", TEXT, "Text on chips and under the pointer"),
    Pair("soft", "fill", TEXT, "Quieter text in the place of an embed"),
    Pair("on", "main", TEXT, "The text of the buttons"),
    Pair("on", "over", TEXT, "The text of a button under the pointer"),
    Pair("edge", "paper", SHAPE, "The border of controls"),
    Pair("edge", "fill", SHAPE, "The shape of switches"),
    Pair("main", "paper", SHAPE, "The shape of buttons and ticked boxes"),
    Pair("over", "paper", SHAPE, "The shape of a button under the pointer"),
    Pair("focus", "paper", SHAPE, "The ring around what has the focus"),
)


def colours(theme: Theme, *, dark: bool = False) -> dict[str, str]:
    """
    Return every colour of the look as ``#rrggbb``, by name.

    An owner's ``main`` without an ``over`` stays as it is under the pointer: the built-in one is of another hue.
    """
    built_in, own = (DARK, theme.dark) if dark else (LIGHT, theme.light)
    found = {**built_in, **({"over": own["main"]} if "main" in own else {}), **own}
    return {name: _long(found[name]) for name in built_in}


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2.2, "relative luminance")."""
    levels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as ``#rrggbb``, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def ratios(theme: Theme, *, dark: bool = False) -> tuple[tuple[Pair, float], ...]:
    """Return every pair with its contrast."""
    used = colours(theme, dark=dark)
    return tuple((pair, contrast(used[pair.front], used[pair.back])) for pair in PAIRS)


def problems(theme: Theme) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the pairs whose contrast is too low: the path of a setting, the problem, and the remedy."""
    for dark in (False, True):
        own = theme.dark if dark else theme.light
        used = colours(theme, dark=dark)
        table: tuple[str, ...] = ("theme", "dark") if dark else ("theme",)
        for pair, ratio in ratios(theme, dark=dark):
            # The built-in colours fit together, so one of the two is the owner's; a colour derived from main is
            # reported there.
            if ratio >= pair.least or not {pair.front, pair.back} & set(own):
                continue
            wrong, other = (pair.front, pair.back) if pair.front in own else (pair.back, pair.front)
            if other == "over" and other not in own and "main" in own:
                continue
            built_in = "" if other in own else " (built in)"
            # Truncated, not rounded: 4.499 must not be shown as 4.5.
            shown = int(ratio * 100) / 100
            effort = "read" if pair.least == TEXT else "see"
            what = (
                f"{pair.where} would be hard to {effort}: {wrong} {used[wrong]} against "
                f"{other} {used[other]}{built_in} has a contrast of {shown:g}:1, where {pair.least:g}:1 is needed."
            )
            change = "darker" if luminance(used[wrong]) < luminance(used[other]) else "lighter"
            yield (*table, wrong), what, f"Make {wrong} {change}, or change {other} as well."


def sets_apart(key: object) -> bool:
    """Return whether a key's name suggests that it would style only one of the two buttons."""
    return isinstance(key, str) and bool(_OF_ONE_BUTTON.search(key))


def rules(theme: Theme, sheets: str = "") -> str:
    """
    Return the theme as a style sheet of custom properties.

    Args:
        theme: Valid, as from :func:`consent_mw.config.load`.
        sheets: The style sheets that use it: unused properties are left out. If empty, all are included.
    """
    used = set(_USED.findall(sheets)) if sheets else None
    shape = {"round": f"{theme.radius if theme.radius >= 0 else RADIUS}px", "font": theme.font or FONT}
    if theme.width:
        shape["width"] = f"{theme.width}em"
    light, dark = (
        {name: _short(colour) for name, colour in colours(theme, dark=at_night).items()} for at_night in (False, True)
    )
    text = _rule(light, shape, used, _scheme(theme, False))
    if dark != light:
        text += f"@media (prefers-color-scheme: dark){{{_rule(dark, {}, used, _scheme(theme, True))}}}"
    return text


def page_rules(theme: Theme) -> str:
    """
    Return the theme as a style sheet for the pages under the mount, to follow their own; empty for the built-in theme.

    The pages have their own background and link colours, which might not fit the owner's. They are replaced by those of
    the notice, whose contrast was measured.
    """
    if not (theme.light or theme.dark or theme.font):
        return ""
    text = ""
    for dark in (False, True):
        properties = "".join(f"--{name}: {colour}; " for name, colour in colours(theme, dark=dark).items())
        rule = (
            f":root {{ {properties}--ground: var(--paper); --link: var(--ink); color-scheme: {_scheme(theme, dark)} }}"
        )
        text += f"@media (prefers-color-scheme: dark) {{ {rule} }}" if dark else rule
    return (
        text + " .plain:hover { color: var(--ink) }" + (f" body {{ font-family: {theme.font} }}" if theme.font else "")
    )


def position_of(site: Site) -> str:
    """Return the position of the site's notice."""
    return site.position or POSITIONS[site.layout]


def sheets_of(site: Site, assets: Assets, languages: Mapping[str, str]) -> dict[str, str]:
    """
    Return the style sheets of a site's notice, protected against the page's rules.

    ``banner.css`` is for the banner in the chosen layout and theme. If the site has the control that reopens the
    choice, ``reopen.css`` adds its rules, and ``alone.css`` has its rules without a banner. ``first.css`` is for the
    banner of a page that gets the control after the choice, and that has no opt-out signal.

    Args:
        languages: The languages that the notice is shown in, with their directions.
    """
    common = assets.read("common.css").decode()
    if "rtl" in languages.values():
        common += armour_css(".cmw-ui[dir=rtl] { direction: rtl }")
    if any(tag.partition("-")[0] == "ja" for tag in languages):
        # Break lines between phrases, if the browser supports it.
        common += armour_css(".cmw-ui:lang(ja) { word-break: auto-phrase }")
    names = ["banner.css", f"layout-{site.layout}.css", *(["top.css"] if position_of(site).startswith("top") else [])]
    banner = common + "".join(assets.read(name).decode() for name in names)
    theme = armour_css(rules(site.theme, banner))
    sheets = {"banner.css": banner + assets.read("signal.css").decode() + theme, "first.css": banner + theme}
    if site.reopen == "button":
        reopen = assets.read("reopen.css").decode()
        sheets |= {"reopen.css": reopen, "alone.css": common + reopen + armour_css(rules(site.theme, common + reopen))}
    return sheets


def _scheme(theme: Theme, dark: bool) -> str:
    """Return the colour scheme of form controls that fits the background."""
    return "dark" if luminance(colours(theme, dark=dark)["paper"]) < _DARK_PAPER else "light"


def _rule(palette: Mapping[str, str], shape: Mapping[str, str], used: set[str] | None, scheme: str) -> str:
    properties = [
        f"--cmw-{name}: {value}" for name, value in {**palette, **shape}.items() if used is None or name in used
    ]
    return f".cmw-ui{{{'; '.join([*properties, f'color-scheme: {scheme}'])}}}"


def _long(colour: str) -> str:
    """Return ``#rrggbb`` in lower case, for ``#rgb`` too."""
    digits = colour[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _short(colour: str) -> str:
    """Return the shortest form of a colour."""
    return "#" + colour[1::2] if colour[1::2] == colour[2::2] else colour
