"""
Pages with the notice in one of its looks, for tests of appearance and usability.

A page is set as content, so that a browser goes through dozens of looks without a server. The page itself has links
and a field, which can have the focus.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace

from playwright.sync_api import Browser
from playwright.sync_api import Page

from consent_mw.core.choice import Action
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage as Place
from consent_mw.notice.wording import direction
from tests.web.doubles import ASSETS
from tests.web.doubles import SITE
from tests.web.doubles import decision
from tests.web.doubles import record

#: Every layout with a position of each kind.
PLACES = (
    ("bar", "bottom"),
    ("bar", "top"),
    ("corner", "bottom-end"),
    ("corner", "top-start"),
    ("dialog", ""),
)
LAYOUTS = (("bar", "bottom"), ("corner", "bottom-start"), ("dialog", ""))
#: Window sizes: a small phone, and a desktop.
SMALL, LARGE = (320, 640), (1280, 800)
#: A desktop of 1280 by 1024 at 400 %.
ZOOMED = (320, 256)

BANNER = "[data-cmw-banner]"
_WORDS = '<p><a href="#{0}">Link {0}</a> words of the page that run on for a line or two, as they do.</p>'


@dataclass(frozen=True, slots=True)
class Look:
    """One look of the notice."""

    layout: str = "bar"
    position: str = ""
    lang: str = "en"
    gpc: bool = False
    decided: bool = False


def document(look: Look | None, *, css: str = "", paragraphs: int = 30) -> str:
    """Return a page of the shop with the notice in that look, or without a notice if it is None."""
    inserted, lang = "", "en"
    if look is not None:
        lang = look.lang
        site = replace(SITE, layout=look.layout, position=look.position, languages=(lang,))
        decided = decision(prompt=not look.decided, gpc=look.gpc, kept=record(Action.REJECT) if look.decided else None)
        # There is no server, so that the page has its styles in it.
        inserted = Notice(site, ASSETS).insertion(Place(decided, lang, "", "/", "/_cmw", sheets=False)).decode("ascii")
    words = "".join(_WORDS.format(number) for number in range(paragraphs))
    return (
        f'<!doctype html><html lang="{lang}" dir="{direction(lang)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>'
        f"<style>{css}</style></head><body>{inserted}<main><h1>Prints</h1><label>Search <input size=9></label>{words}"
        "<button>Buy</button></main></body></html>"
    )


def show(page: Page, look: Look | None, size: tuple[int, int] = LARGE, **words: object) -> None:
    """Show the page in a window of that size."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.set_content(document(look, **words))  # type: ignore[arg-type]


def fresh_page(browser: Browser) -> Page:
    """Return a page in a new context; close the context after use."""
    return browser.new_context().new_page()
