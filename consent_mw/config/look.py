"""Reads the look of the notice and the owner's additions: theme, position, links, and the control that reopens it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from consent_mw.config import checks
from consent_mw.config.problems import ConfigReader
from consent_mw.config.schema import ADDRESS
from consent_mw.config.schema import COLOURS
from consent_mw.config.schema import DARK_THEME
from consent_mw.config.schema import LINK
from consent_mw.config.schema import POSITIONS
from consent_mw.config.schema import THEME
from consent_mw.config.toml_lines import Path
from consent_mw.core.model import Link
from consent_mw.core.model import Site
from consent_mw.core.model import Theme
from consent_mw.notice import theme
from consent_mw.notice.escaping import LINKED_TEXTS
from consent_mw.notice.escaping import TEXT_LINK

__all__ = ["check_links", "check_look", "read_links", "read_theme"]

#: Few, so that the notice stays short, even on a phone: an imprint, terms, and two more.
MOST_LINKS = 4


def check_look(reader: ConfigReader, site: Site) -> None:
    """Record settings of the notice's look that contradict each other."""
    if site.position and site.position not in POSITIONS[site.layout]:
        known = ", ".join(POSITIONS[site.layout]) or "none, it is in the middle"
        what = f"The layout {site.layout!r} has no position {site.position!r}."
        reader.add_problem(("site", "position"), what, f"Its positions: {known}.")
    if site.reopen_icon == "none" and site.reopen_label != "always":
        what = "Without an icon and without words nothing of the control would be seen."
        reader.add_problem(("site", "reopen_icon"), what, 'Add reopen_label = "always", or choose an icon.')


def read_theme(reader: ConfigReader, given: object) -> Theme:
    """Return the owner's theme."""
    parts: Any = dict(given) if isinstance(given, Mapping) else given
    dark: Any = parts.pop("dark", {}) if isinstance(parts, dict) else {}
    dark = dict(dark) if isinstance(dark, Mapping) else dark
    tables: tuple[tuple[Path, Any], ...] = ((("theme",), parts), (("theme", "dark"), dark))
    for path, table in tables:
        for key in filter(theme.sets_apart, list(table)) if isinstance(table, dict) else ():
            del table[key]
            reader.add_problem(
                (*path, key), "Accept and reject share their colours.", "Set main, over and on; they apply to both."
            )
    values = reader.table(("theme",), parts, THEME)
    colours = {name: values.pop(name) for name in COLOURS if name in values}
    at_night = reader.table(("theme", "dark"), dark, DARK_THEME)
    beside = {f"dark_{name}": at_night.pop(name) for name in ("brand", "logo") if name in at_night}
    made = Theme(light=MappingProxyType(colours), dark=MappingProxyType(at_night), **values, **beside)
    for place, what, remedy in theme.problems(made):
        reader.add_problem(place, what, remedy)
    _check_scheme(reader, made)
    if made.dark_logo and not made.logo:
        what = "There is a logo for dark backgrounds, and none for light ones."
        reader.add_problem(("theme", "dark", "logo"), what, "Add logo under [theme].")
    return made


def _check_scheme(reader: ConfigReader, made: Theme) -> None:
    """Record a selector without its scheme, a scheme without its selector, and dark colours that are never used."""
    if made.scheme == "selector" and not made.dark_selector:
        what = "Nothing says when your pages are dark."
        remedy = 'Add dark_selector with the mark of your dark pages, such as dark_selector = "html.dark".'
        reader.add_problem(("theme", "scheme"), what, remedy)
    if made.dark_selector and made.scheme != "selector":
        what = f"With scheme = {made.scheme!r} the selector has no effect."
        reader.add_problem(("theme", "dark_selector"), what, 'Write scheme = "selector", or leave the selector out.')
    unseen = (made.dark or made.dark_brand or made.dark_logo) if made.scheme == "light" else {}
    if unseen:
        what = 'With scheme = "light" nobody sees the dark look.'
        reader.add_problem(("theme", "dark"), what, 'Leave [theme.dark] out, or write scheme = "auto".')


def read_links(reader: ConfigReader, given: object, language: str) -> tuple[Link, ...]:
    """Return the owner's links; a plain label is in ``language``."""
    if not isinstance(given, list | tuple):
        what = f"This is {checks.kind(given)}, not a list of tables."
        reader.add_problem(("links",), what, "Write [[links]] above each of them.")
        return ()
    if len(given) > MOST_LINKS:
        what = f"There are {len(given)} links; the notice has room for {MOST_LINKS}."
        reader.add_problem(("links", MOST_LINKS), what, "Put the others on a page of yours.")
    found = []
    for number, table in enumerate(given):
        values = reader.table(("links", number), table, {**LINK, "label": checks.by_language(language)})
        for key in LINK:
            if isinstance(table, Mapping) and key not in table:
                reader.add_problem(("links", number), f"The link has no {key}.", f"Add {key} = …")
        if len(values) == len(LINK):
            found.append(Link(values["url"], values["label"]))
    return tuple(found)


def check_links(reader: ConfigReader, path: Path, text: str, key: str) -> None:
    """Record links, ``[words](address)``, in a text that does not support them, or with an invalid address."""
    for words, address in re.findall(TEXT_LINK, text):
        if not LINKED_TEXTS.fullmatch(key):
            remedy = "Links work in banner.text, banner.promise, page.intro, policy.intro and descriptions of purposes."
            reader.add_problem(path, f"This text takes no links, and has [{words}].", remedy)
        elif not ADDRESS.fullmatch(address):
            remedy = "Write [words](/path) or [words](https://…)."
            reader.add_problem(path, f"The link [{words}] leads to {address!r}, which is not an address.", remedy)
