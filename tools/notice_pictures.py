"""
Take pictures of the notice in every look, and measure each: ``python -m tools.notice_pictures FOLDER``.

The looks combine every layout, light and dark; six windows (phones in portrait and landscape, a tablet, a desktop);
languages with short and long texts, from right to left, and without spaces; the choices closed, open, with each purpose
unfolded to its services, and reopened after a choice; and a site with a few services, one with twenty-five, and one
whose owner uses all additions.

Each look is measured in the browser (:data:`PROBLEMS`) to find buttons that are covered, cut off or outside the window,
and overlapping text. Problems are printed, and the exit status is then 1. ``--measure`` measures without taking
pictures; ``--only=-ar-`` keeps the looks whose names contain the text.

Needs Chromium and the ``audit`` extra (playwright); ``CONSENT_MW_CHROMIUM`` names another browser.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from consent_mw import config
from consent_mw.cli.preview import sample_page
from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.model import NECESSARY
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import armour_css
from consent_mw.notice.assets import root
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

if TYPE_CHECKING:
    from playwright.sync_api import Page

LAYOUTS = ("bar", "corner", "dialog")
SCHEMES = ("light", "dark")
SIZES = ((320, 640), (390, 844), (568, 320), (667, 375), (768, 1024), (1440, 900))
LANGUAGES = ("en", "de", "fr", "ar", "ja", "th")
STATES = ("closed", "open", "unfolded", "reopened")
SERVICES: Mapping[str, tuple[str, ...]] = {
    "few": ("google-analytics", "youtube"),
    "many": (
        *("google-analytics", "matomo", "hotjar", "clarity", "simple-analytics", "mixpanel", "amplitude", "heap"),
        *("meta-pixel", "google-ads", "linkedin-insight", "tiktok-pixel", "pinterest-tag", "criteo", "taboola"),
        *("youtube", "vimeo", "google-maps", "calendly", "spotify", "soundcloud", "disqus"),
        *("intercom", "zendesk", "tawk"),
    ),
    "furnished": ("google-analytics", "matomo", "youtube"),
}
#: The additions of the furnished site: a second way to refuse, by layout, and the others.
DISMISS = {"bar": "text", "corner": "cross", "dialog": "text"}
FURNITURE: Mapping[str, object] = {
    "theme": {"brand": "#e4002b", "logo": "/logo.svg"},
    "links": [{"url": "/imprint", "label": {"en": "Imprint", "de": "Impressum"}}],
    "texts": {"en": {"banner.text": "We use cookies, as our [cookie page](/cookies) says, for:"}},
}
#: A logo as a data URL, so that nothing is fetched.
LOGO = (
    "data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 200 50%22%3E"
    "%3Crect width=%22200%22 height=%2250%22 rx=%228%22 fill=%22%23e4002b%22/%3E%3Ctext x=%2226%22 y=%2235%22 "
    "font-size=%2230%22 fill=%22white%22 font-family=%22sans-serif%22%3EPortrait%3C/text%3E%3C/svg%3E"
)

#: The style sheet for services, which scripts add.
_UNFOLD = armour_css((root() / "unfold.css").read_text(encoding="ascii"))

#: Returns the problems of the notice in the page, as a list of sentences.
PROBLEMS = """() => {
  const found = [], banner = document.querySelector('[data-cmw-banner]'), room = banner.getBoundingClientRect();
  const name = one => (one.textContent || one.title || one.value || one.localName).trim().slice(0, 24);
  const inside = (box, other) => box.left >= other.left - 1 && box.right <= other.right + 1 &&
    box.top >= other.top - 1 && box.bottom <= other.bottom + 1;
  if (!inside(room, { left: 0, right: innerWidth, top: 0, bottom: innerHeight })) found.push('notice outside');
  if (document.documentElement.scrollWidth > innerWidth) found.push('page scrolls sideways');
  if (banner.scrollWidth > banner.clientWidth) found.push('notice scrolls sideways');

  const top = [...banner.querySelectorAll('.cmw-logo, h2')].filter(one => one.offsetHeight)[0];
  if (!banner.scrollTop && top.getBoundingClientRect().top < room.top + 10) found.push('no room above: ' + name(top));

  const open = banner.querySelector('[open]');
  const buttons = [...banner.querySelectorAll('button, summary')].filter(one => one.offsetHeight);
  // Once the boxes are open, what closes them may be scrolled to.
  buttons.filter(one => !(open && one.localName === 'summary')).forEach(one => {
    const box = one.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    if (!inside(box, room)) found.push('button outside: ' + name(one));
    const sides = [[box.left + 3, y], [box.right - 3, y], [x, box.top + 3], [x, box.bottom - 3]];
    const covered = side => !one.contains(document.elementFromPoint(...side));
    if (sides.some(covered)) found.push('button covered: ' + name(one));
    if (box.height < 44) found.push('button low: ' + name(one));
  });
  const choices = [...banner.querySelectorAll('.cmw-actions [value$=-all]')].map(one => one.getBoundingClientRect());
  const unequal = side => Math.abs(choices[0][side] - choices[1][side]) > 0.1;
  if (unequal('width') || unequal('height')) found.push('unequal choices');
  banner.querySelectorAll('button, summary, h2, p, li, strong, span, a').forEach(one => {
    if (one.offsetHeight && one.scrollWidth > one.clientWidth + 1 && one.clientWidth) found.push('cut: ' + name(one));
  });

  // Words of one part of the notice lie over none of the same part, wherever they are scrolled to.
  ['.cmw-intro', '.cmw-more', '.cmw-actions'].forEach(part => {
    const boxes = [], walker = document.createTreeWalker(banner.querySelector(part), NodeFilter.SHOW_TEXT);
    for (let text; (text = walker.nextNode());) {
      if (!text.parentElement.checkVisibility()) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      // A font may draw above and below its line: what lies in the middle of it counts.
      for (const box of range.getClientRects()) if (box.width > 1) boxes.push([text, box, box.height / 4]);
    }
    boxes.forEach(([text, box, rim], at) => boxes.slice(at + 1).forEach(([other, over]) => {
      if (text !== other && box.left < over.right - 1 && over.left < box.right - 1 &&
        box.top + rim < over.bottom - rim && over.top + rim < box.bottom - rim) {
        found.push('overlap: ' + text.data.trim().slice(0, 20) + ' / ' + other.data.trim().slice(0, 20));
      }
    }));
  });
  return found;
}"""


@dataclass(frozen=True, slots=True)
class MatrixLook:
    """One look of the notice, in one window."""

    layout: str
    scheme: str
    size: tuple[int, int]
    lang: str
    state: str
    services: str

    @property
    def name(self) -> str:
        """The name of its picture."""
        size = "x".join(map(str, self.size))
        return f"{self.layout}-{self.scheme}-{size}-{self.lang}-{self.state}-{self.services}"


def looks() -> Iterator[MatrixLook]:
    """Yield every look."""
    for parts in product(LAYOUTS, SCHEMES, SIZES, LANGUAGES, STATES, SERVICES):
        yield MatrixLook(*parts)


def sample() -> tuple[MatrixLook, ...]:
    """Return a sample of the looks in which every pair of values of two dimensions occurs at least once."""
    kinds = (LAYOUTS, SCHEMES, SIZES, LANGUAGES, STATES, tuple(SERVICES))
    missing = {
        (one, a, other, b)
        for one, other in product(range(len(kinds)), repeat=2)
        if one < other
        for a, b in product(kinds[one], kinds[other])
    }

    def pairs(parts: tuple[object, ...]) -> set[tuple[int, object, int, object]]:
        return {(one, parts[one], other, parts[other]) for other in range(len(parts)) for one in range(other)}

    everything = [
        (look, pairs((look.layout, look.scheme, look.size, look.lang, look.state, look.services))) for look in looks()
    ]
    chosen = []
    while missing:
        look, told = max(everything, key=lambda each: len(each[1] & missing))
        chosen.append(look)
        missing -= told
    return tuple(chosen)


@cache
def _notice(layout: str, services: str) -> Notice:
    site: dict[str, object] = {
        "name": "Portrait Shop",
        "controller": "Portrait Shop Ltd, London",
        "privacy_policy": "/privacy",
        "languages": list(LANGUAGES),
        "layout": layout,
    }
    tables: dict[str, object] = {"services": [{"use": id_} for id_ in SERVICES[services]]}
    if services == "furnished":
        site |= {"dismiss": DISMISS[layout], "show_services": True}
        tables |= FURNITURE
    return Notice(config.load({"site": site, **tables}), Assets())


def page_of(look: MatrixLook) -> str:
    """Return a page with the notice in that look; its scripts are left out."""
    notice = _notice(look.layout, look.services)
    again = look.state == "reopened"
    decision = Decision(
        granted=frozenset(),
        purposes=frozenset({NECESSARY}),
        prompt=True,
        reason=Reason.CHOSEN if again else Reason.ABSENT,
        gpc=False,
        record=Record(Action.PARTIAL, 0, "") if again else None,
    )
    place = NoticePage(decision, look.lang, "", "/", notice.site.mount)
    unfolding = look.state in ("unfolded", "reopened")
    markup = f"<style>{notice.style(True)}{_UNFOLD}</style>{notice.banner(place, unfolding=unfolding)}"
    if look.state != "closed":
        markup = markup.replace('<details class="cmw-more"', '<details open="" class="cmw-more"')
    if look.state == "unfolded":
        markup = markup.replace('<details class="cmw-services"', '<details open="" class="cmw-services"')
    if again:
        # A script marks a box of which some services are granted; the other one is ticked with its services.
        markup = markup.replace('value="analytics"', 'value="analytics" checked=""')
        markup = markup.replace('data-cmw-for="analytics"', 'data-cmw-for="analytics" checked=""')
    return sample_page(look.lang, look.scheme, markup.replace('src="/logo.svg"', f'src="{LOGO}"'))


def show(page: Page, look: MatrixLook) -> list[str]:
    """Show the look in the page, and return its problems."""
    page.set_viewport_size({"width": look.size[0], "height": look.size[1]})
    page.emulate_media(color_scheme="dark" if look.scheme == "dark" else "light")
    page.set_content(page_of(look))
    found: list[str] = page.evaluate(PROBLEMS)
    return found


def main() -> int:
    """Take the pictures; return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        prog="python -m tools.notice_pictures", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, help="where the pictures go")
    parser.add_argument("--measure", action="store_true", help="measure, and take no picture")
    parser.add_argument("--only", metavar="TEXT", default="", help="of looks whose names have the text alone")
    wanted = parser.parse_args()
    if not (wanted.folder or wanted.measure):
        parser.error("name a folder for the pictures, or measure alone with --measure")
    if wanted.folder:
        wanted.folder.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("CONSENT_MW_CHROMIUM", "/usr/bin/chromium")
    # The sandbox does not work as root, which is the user in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    chosen = [look for look in looks() if wanted.only in look.name]
    wrong = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        page = browser.new_page()
        for look in chosen:
            found = show(page, look)
            wrong += bool(found)
            if found:
                print(f"{look.name}: {'; '.join(found)}")
            if wanted.folder and not wanted.measure:
                page.screenshot(path=wanted.folder / f"{look.name}.png")
        browser.close()
    print(f"{len(chosen)} looks, {wrong} with something wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
