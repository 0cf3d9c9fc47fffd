"""
The theme of the notice: the built-in and the owner's colours and shape, and the check of their contrast.

:func:`problems` measures every pair of adjoining colours (WCAG 2.2, success criteria 1.4.3 and 1.4.11). :func:`rules`
writes the theme as custom properties. The accept and reject buttons share all of them, so that no theme can make them
differ.

Limits: the owner's style sheets are not considered here. The notice is protected against them
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
from consent_mw.notice import additions
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import armour_css
from consent_mw.notice.assets import property_of
from consent_mw.notice.palette import SHAPE
from consent_mw.notice.palette import TEXT
from consent_mw.notice.palette import contrast
from consent_mw.notice.palette import derived
from consent_mw.notice.palette import luminance

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
#: The background of the pages under the mount and the colour of their links, light and dark, without a theme.
_PAGE = (("#f4f6f9", "#274690"), ("#101217", "#a9c4ff"))
#: The built-in icons; any other value of ``site.reopen_icon`` is the path of a picture.
REOPEN_ICONS = ("switch", "cookie", "shield", "none")
#: The distance of the control from the edge, in CSS pixels, unless the owner sets one.
REOPEN_OFFSET = 14
RADIUS = 10
FONT = "system-ui,sans-serif"

#: Keys that an owner might try in order to make one button more prominent.
_OF_ONE_BUTTON = re.compile(r"accept|reject|refuse|deny|decline|allow|agree|primary|secondary", re.IGNORECASE)
_USED = re.compile(r"var\((--cmw-[a-z]+)")
#: Below this luminance of the background, form controls and scroll bars use the browser's dark scheme.
_DARK_PAPER = 0.18


@dataclass(frozen=True, slots=True)
class Pair:
    """Two adjoining colours of the notice, their minimum contrast, and where they occur."""

    front: str
    back: str
    least: float
    where: str


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
    Return every colour of the theme as ``#rrggbb``, by name.

    If there is a brand colour, the colours that the owner does not set are derived from it. Otherwise, if the owner
    sets ``main`` but not ``over``, buttons do not change on hover, since the built-in ``over`` has another hue.
    """
    built_in, given = (DARK, theme.dark) if dark else (LIGHT, theme.light)
    own = {name: _long(colour) for name, colour in given.items()}
    if brand := _brand(theme, dark):
        return derived(_long(brand), own, built_in)
    return {**built_in, **({"over": own["main"]} if "main" in own else {}), **own}


def ratios(theme: Theme, *, dark: bool = False) -> tuple[tuple[Pair, float], ...]:
    """Return every pair with its contrast."""
    used = colours(theme, dark=dark)
    return tuple((pair, contrast(used[pair.front], used[pair.back])) for pair in PAIRS)


def problems(theme: Theme) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the pairs whose contrast is too low: the path of a setting, the problem, and the remedy."""
    for dark in (False, True):
        if theme.scheme == ("light" if dark else "dark"):
            continue  # this variant is never shown
        own = theme.dark if dark else theme.light
        used = colours(theme, dark=dark)
        table: tuple[str, ...] = ("theme", "dark") if dark else ("theme",)
        for pair, ratio in ratios(theme, dark=dark):
            # The built-in colours have enough contrast with each other, so one of the two is the owner's. A problem of
            # a colour derived from main is reported for main.
            if ratio >= pair.least or not {pair.front, pair.back} & set(own):
                continue
            wrong, other = (pair.front, pair.back) if pair.front in own else (pair.back, pair.front)
            if other == "over" and other not in own and "main" in own:
                continue
            source = "" if other in own else f" ({'derived' if _brand(theme, dark) else 'built in'})"
            # Truncated, not rounded: 4.499 must not be shown as 4.5.
            shown = int(ratio * 100) / 100
            effort = "read" if pair.least == TEXT else "see"
            what = (
                f"{pair.where} would be hard to {effort}: {wrong} {used[wrong]} against "
                f"{other} {used[other]}{source} has a contrast of {shown:g}:1, where {pair.least:g}:1 is needed."
            )
            change = _change(used[wrong], used[other], pair.least)
            yield (*table, wrong), what, f"Make {wrong} {change}, or change {other} as well."


def _change(wrong: str, other: str, least: float) -> str:
    """Return in which direction a colour gets enough contrast: away from the other one, if there is room."""
    away, back = ("darker", "lighter") if luminance(wrong) < luminance(other) else ("lighter", "darker")
    end = "#000000" if away == "darker" else "#ffffff"
    return away if contrast(end, other) >= least else back


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
    if theme.scheme == "dark":
        return _rule(dark, shape, used, _scheme(theme, True))
    text = _rule(light, shape, used, _scheme(theme, False))
    if dark != light and theme.scheme != "light":
        text += _when_dark(theme, _rule(dark, {}, used, _scheme(theme, True)))
    return text


def page_rules(theme: Theme) -> str:
    """
    Return the theme as a style sheet for the pages under the mount, to append to theirs; empty for the built-in theme.

    The pages have their own background and link colours, which might not suit the owner's. They are replaced by those
    of the notice, whose contrast was measured.
    """
    coloured = theme.light or theme.dark or theme.brand or theme.dark_brand
    forced = theme.scheme in ("light", "dark")
    if not (coloured or forced or theme.font):
        return ""
    text = ""
    for dark in (theme.scheme == "dark",) if forced else (False, True):
        used = colours(theme, dark=dark)
        ground, link = ("var(--paper)", "var(--ink)") if coloured else _PAGE[dark]
        properties = "".join(f"--{name}: {colour}; " for name, colour in used.items())
        rule = f":root {{ {properties}--ground: {ground}; --link: {link}; color-scheme: {_scheme(theme, dark)} }}"
        # A fixed scheme also overrides the pages' rules for visitors who prefer dark.
        text += f"@media (prefers-color-scheme: dark) {{ {rule} }}" if dark and not forced else rule
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
    names += ["shared.css"] if site.caching == "shared" else []
    # Each addition has its own rules, so that other sites do not pay for them.
    names += additions.sheets(site)
    banner = common + "".join(assets.read(name).decode() for name in names)
    if site.theme.dark_logo and site.theme.scheme in ("auto", "selector"):
        banner += armour_css(_when_dark(site.theme, ".cmw-day{display:none}", ".cmw-night{display:block}"))
    theme = armour_css(rules(site.theme, banner))
    sheets = {"banner.css": banner + assets.read("signal.css").decode() + theme, "first.css": banner + theme}
    if site.reopen == "button":
        reopen = assets.read("reopen.css").decode()
        own = control_look(site, assets)
        sheets |= {
            "reopen.css": reopen + own,
            "alone.css": common + reopen + own + armour_css(rules(site.theme, common + reopen)),
        }
    # One layer takes fewer bytes than several of the same name in a row.
    return {name: text.replace("}@layer cmw{", "") for name, text in sheets.items()}


def control_look(site: Site, assets: Assets) -> str:
    """Return the rules for the control that reopens the choice, if the owner's settings differ from the defaults."""
    block, _, inline = site.reopen_position.partition("-")
    icon = site.reopen_icon if site.reopen_icon in REOPEN_ICONS else "picture"
    found = ""
    if block == "middle":
        found += ".cmw-reopen { inset-block: 50% auto; translate: 0 -50% }"
    elif block == "top" or site.reopen_offset != REOPEN_OFFSET:
        edge = f"{site.reopen_offset}px"
        found += f".cmw-reopen {{ inset-block: {f'{edge} auto' if block == 'top' else f'auto {edge}'} }}"
    if inline == "end":
        found += ".cmw-reopen { inset-inline: auto 14px }"
    if site.reopen_label == "always":
        found += ".cmw-open span { position: static; clip-path: none }"
    return (armour_css(found) if found else "") + ("" if icon == "switch" else assets.read(f"icon-{icon}.css").decode())


def _when_dark(theme: Theme, *own: str) -> str:
    """Return rules for the dark notice; each of them starts with a selector of an element in the notice."""
    if theme.scheme == "selector":
        return "".join(f"{theme.dark_selector} {rule}" for rule in own)
    return f"@media (prefers-color-scheme: dark){{{''.join(own)}}}"


def _brand(theme: Theme, dark: bool) -> str:
    """Return the brand colour of the light or dark theme, or an empty string."""
    return (theme.dark_brand if dark else "") or theme.brand


def _scheme(theme: Theme, dark: bool) -> str:
    """Return the colour scheme of form controls that fits the background."""
    return "dark" if luminance(colours(theme, dark=dark)["paper"]) < _DARK_PAPER else "light"


def _rule(palette: Mapping[str, str], shape: Mapping[str, str], used: set[str] | None, scheme: str) -> str:
    properties = [
        f"--cmw-{name}: {value}"
        for name, value in {**palette, **shape}.items()
        if used is None or property_of(name) in used
    ]
    return f".cmw-ui{{{'; '.join([*properties, f'color-scheme: {scheme}'])}}}"


def _long(colour: str) -> str:
    """Return a colour, which may be ``#rgb``, as ``#rrggbb`` in lower case."""
    digits = colour[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _short(colour: str) -> str:
    """Return the shortest form of a colour."""
    return "#" + colour[1::2] if colour[1::2] == colour[2::2] else colour
