"""
Derives the colours of a theme from one brand colour and, if the owner sets one, a background.

A colour keeps its hue. Only its lightness changes, and only as far as the contrast with adjoining colours requires
(WCAG 2.2, success criteria 1.4.3 and 1.4.11). Lightness is that of OKLCH (CSS Color Module Level 4, section 9.4), in
which equal steps look equal. A colour outside the sRGB gamut loses chroma, not hue.

A solution always exists: on any background, black or white has a contrast of at least 4.58:1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

#: The minimum contrast of text (WCAG 2.2, 1.4.3) and of controls (1.4.11).
TEXT = 4.5
SHAPE = 3.0

#: The contrast of body text unless the owner sets its colour.
_COMFORT = 7.0
#: Text colours for the buttons in order of preference; the first with enough contrast is used.
_ON = ("#ffffff", "#141821", "#000000")
_INKS = ("#171a21", "#f2f4f8", "#000000", "#ffffff")
#: The number of lightness steps from black to white, and how many of them a hovered button changes by.
_STEPS = 100
_HOVER = 7

_Lch = tuple[float, float, float]


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2.2, "relative luminance")."""
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as ``#rrggbb``, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def derived(brand: str, own: Mapping[str, str], built_in: Mapping[str, str]) -> dict[str, str]:
    """
    Return all colours of a theme, derived from the brand colour and the owner's other colours.

    Args:
        brand: The brand colour, ``#rrggbb``.
        own: The owner's colours, ``#rrggbb`` by name; they are kept, and the others adapt to them.
        built_in: The built-in colours, for those that depend neither on the brand nor on the owner's background.
    """
    found = {**built_in, **own}
    if "paper" in own:
        found |= {**_neutrals(found["paper"], own), **own}
    paper = found["paper"]

    def is_button(colour: str) -> bool:
        return contrast(colour, paper) >= SHAPE and ("on" not in own or contrast(own["on"], colour) >= TEXT)

    main = own.get("main") or _nearest(brand, is_button)
    on = own.get("on") or next(ink for ink in _ON if contrast(ink, main) >= TEXT)
    over = next((shade for shade in _hovered(main, on) if is_button(shade) and contrast(on, shade) >= TEXT), main)
    focus = _nearest(brand, lambda colour: contrast(colour, paper) >= SHAPE)
    return {**found, "main": main, "on": on, "over": over, "focus": focus, **own}


def _hovered(main: str, on: str) -> Iterator[str]:
    """Yield colours for a hovered button, the best first: those with more contrast to its text, and large steps."""
    lightness, chroma, hue = _oklch(main)
    away = -1 if luminance(on) > luminance(main) else 1
    for step in range(_HOVER, 0, -1):
        for way in (away, -away):
            yield _hex((min(max(lightness + way * step / _STEPS, 0), 1), chroma, hue))


def _neutrals(paper: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the neutral colours that suit a background."""
    comfortable = [ink for ink in _INKS if contrast(ink, paper) >= _COMFORT]
    ink = own.get("ink") or (comfortable or sorted(_INKS, key=lambda each: -contrast(each, paper)))[0]
    shades = (_mixed(paper, ink, share) for share in (0.05, 0.03, 0.01))
    fill = own.get("fill") or next((shade for shade in shades if contrast(ink, shade) >= TEXT), paper)

    def is_read(colour: str) -> bool:
        return min(contrast(colour, paper), contrast(colour, fill)) >= TEXT

    def is_seen(colour: str) -> bool:
        return min(contrast(colour, paper), contrast(colour, fill)) >= SHAPE

    return {
        "ink": ink,
        "fill": fill,
        "line": _mixed(paper, ink, 0.14),
        "soft": _nearest(_mixed(paper, ink, 0.75), is_read),
        "edge": _nearest(_mixed(paper, ink, 0.5), is_seen),
    }


def _nearest(colour: str, fits: Callable[[str], bool]) -> str:
    """Return the colour or its nearest shade in lightness that fits; the colour itself if none does."""
    if fits(colour):
        return colour
    lightness, chroma, hue = _oklch(colour)
    for step in range(1, _STEPS + 1):
        for level in (lightness - step / _STEPS, lightness + step / _STEPS):
            shade = _hex((min(max(level, 0), 1), chroma, hue))
            if fits(shade):
                return shade
    return colour


def _mixed(one: str, other: str, share: float) -> str:
    """Return the mixture of two colours; ``share`` is the share of the second, 0 to 1."""
    pairs = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _linear(colour: str) -> tuple[float, float, float]:
    levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return red, green, blue


def _oklch(colour: str) -> _Lch:
    """Return lightness, chroma and hue (in radians) of a colour (CSS Color Module Level 4, section 18)."""
    red, green, blue = _linear(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.atan2(b, a)


def _hex(lch: _Lch) -> str:
    """Return a colour as ``#rrggbb``, with its chroma reduced to fit sRGB at that lightness."""
    lightness, chroma, hue = lch
    low, high = 0.0, 1.0
    if _in_gamut(_rgb(lightness, chroma, hue)):
        low = 1.0
    else:
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if _in_gamut(_rgb(lightness, chroma * middle, hue)) else (low, middle)
    levels = (min(max(level, 0.0), 1.0) for level in _rgb(lightness, chroma * low, hue))
    encoded = (level * 12.92 if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055 for level in levels)
    return "#" + "".join(f"{round(level * 255):02x}" for level in encoded)


def _in_gamut(levels: tuple[float, float, float]) -> bool:
    return all(-0.0005 <= level <= 1.0005 for level in levels)


def _rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Return the linear sRGB levels of a colour, which can be outside the range 0 to 1."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
