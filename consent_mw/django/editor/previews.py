"""The notice as a changed file would show it, in a frame of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.cli.preview import SCHEMES
from consent_mw.cli.preview import STATES
from consent_mw.cli.preview import Gallery
from consent_mw.cli.preview import PreviewLook
from consent_mw.core.days import DAY_SECONDS
from consent_mw.core.model import Site
from consent_mw.django.editor.words import in_language as _
from consent_mw.django.editor.words import later as lazy
from consent_mw.errors import Problem
from consent_mw.notice.escaping import escape
from consent_mw.notice.theme import position_of
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import offered_languages

__all__ = ["SCHEME_NAMES", "choices", "notice_page", "problem_page"]

#: The names of the looks and visitors of :mod:`consent_mw.cli.preview`, for owners.
SCHEME_NAMES = {"light": lazy("Light"), "dark": lazy("Dark")}
_STATE_NAMES = {
    "undecided": lazy("Not decided"),
    "open": lazy("Choosing"),
    "gpc": lazy("Opt-out signal"),
    "changed": lazy("Asked again after a change"),
    "decided": lazy("Decided"),
    "decided-gpc": lazy("Decided, with the signal"),
}

_PROBLEMS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Preview</title>
<style>:root {{ color-scheme: light dark }} body {{ margin: 1.5rem; font: 1rem/1.5 system-ui, sans-serif }}</style>
<h1>There is nothing to show yet</h1>
<p>With these values the site would not start:</p>
<ul>{items}</ul>
</html>
"""


def choices(site: Site, lang: str, asked: Mapping[str, str]) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """Return the selects of a preview: name, label, and the options with whether they are chosen."""
    languages = {tag: language_name(tag) for tag in offered_languages(site)}
    selects = (
        ("preview-language", _("Language"), languages, lang),
        ("preview-scheme", _("Colours"), SCHEME_NAMES, "light"),
        ("preview-state", _("Visitor"), _STATE_NAMES, "undecided"),
    )
    return [
        (name, label, [(value, str(words), value == asked.get(name, usual)) for value, words in known.items()])
        for name, label, known, usual in selects
    ]


def notice_page(site: Site, asked: Mapping[str, str]) -> str:
    """Return a page with the site's notice, in the language, colours and state that are asked for."""
    languages = offered_languages(site)
    lang = asked.get("preview-language", "")
    lang = lang if lang in languages else languages[0]
    scheme, state = asked.get("preview-scheme", ""), asked.get("preview-state", "")
    look = PreviewLook(
        site.layout,
        position_of(site),
        lang,
        scheme if scheme in SCHEMES else "light",
        state if state in STATES else "undecided",
    )
    return Gallery(site, [lang], today=int(time.time()) // DAY_SECONDS).page(look)


def problem_page(problems: Iterable[Problem]) -> str:
    """Return a page with the mistakes that keep a preview from being shown."""
    return _PROBLEMS.format(items="".join(f"<li>{escape(f'{one.what} {one.remedy}')}</li>" for one in problems))
