"""
Saved pages of real sites in Chromium: no catalogue host is reached before a choice, and nothing else is lost.

``make test`` visits about a dozen pages of the corpus; ``CONSENT_MW_ALL_PAGES=1`` all of them, and those in
``CONSENT_MW_REAL_PAGES``. If ``CONSENT_MW_PAGES_REPORT`` names a file, the results are written there.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag
from urllib.parse import urljoin

import pytest

from consent_mw import catalogue
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from tests.browser.harness import background
from tests.browser.harness.batch import Batch
from tests.browser.harness.bytes import get
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.wrapped import Wrapped
from tests.corpus.saved import ABSENT
from tests.corpus.saved import SavedPage
from tests.corpus.saved import SavedSite
from tests.corpus.saved import cases
from tests.corpus.saved import saved_pages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ALL = saved_pages()
#: Small pages from different makers, including those with the most vendors.
_A_DOZEN = {
    *("cdb3969b6af7164f", "f09cdb4effe50241", "1450f68e5805f23e", "1aa0f020fa1761c2"),
    *("2455823d8c44e1d8", "41510f097769c346", "5d7bd8f5cd869614", "7ff18d0b8b2cd504"),
    *("a9178757b64a1709", "b413296dc2c8e28a", "e69692301eef38d9", "f9dfafde88de5dbb"),
}
SEEN = [page for page in ALL if page.id in _A_DOZEN or os.environ.get("CONSENT_MW_ALL_PAGES")]
MODES = [True, False]

#: Digits that scripts put into addresses to bypass caches: times and random numbers.
_CHANCE = re.compile(r"\d{5,}")
_HELD_SCRIPT = re.compile(rb"<script data-cmw-held=[^>]*>(.*?)</script", re.DOTALL | re.IGNORECASE)
_UNKNOWN_PIXEL = re.compile(rb"<img data-cmw-held=unknown\b[^>]*>", re.IGNORECASE)
_HELD_SOURCE = re.compile(rb"data-cmw-src\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sight:
    """The requests of one visit."""

    hits: tuple[Hit, ...]
    errors: tuple[str, ...]

    @property
    def urls(self) -> frozenset[str]:
        """The addresses, without connections."""
        return frozenset(hit.url for hit in self.hits if hit.method != "CONNECT")


@dataclass(frozen=True, slots=True)
class Finding:
    """A bare page, and the same behind the middleware before a choice."""

    status: str
    bare: frozenset[str]
    claimed_bare: tuple[str, ...]
    wrapped: frozenset[str]
    claimed: tuple[str, ...]
    #: Requests that match no service in the catalogue, and that only the bare page makes.
    lost: frozenset[str]
    #: The same, held as pixels of unknown third parties.
    pixels: frozenset[str]
    #: The same, made by held scripts.
    caused: frozenset[str]
    errors: tuple[str, ...]


def claims(matcher: Matcher, page: SavedPage, hits: Iterable[Hit]) -> Iterator[str]:
    """Yield the requests to services that need consent, with their names."""
    hits = list(hits)
    asked = {hit.host for hit in hits if hit.method != "CONNECT"}
    for hit in hits:
        if hit.method != "CONNECT":
            ids = matcher.url(hit.url, page.address)
        elif hit.host in asked:
            continue  # judged by its requests
        else:
            ids = matcher.resolved(Url(hit.scheme, hit.host, "/"), page.host)
        ids = tuple(id_ for id_ in ids if not matcher.services[id_].necessary)
        if ids:
            yield f"{','.join(ids)}: {hit}"


def without_chance(urls: Iterable[str]) -> frozenset[str]:
    """Return ``urls`` without the parts that differ from visit to visit."""
    return frozenset(_CHANCE.sub("0", url) for url in urls)


def unknown_pixels(page: SavedPage, held: bytes) -> Iterator[str]:
    """Yield the addresses of images that are held as pixels of unknown third parties."""
    for tag in _UNKNOWN_PIXEL.findall(held):
        for value in _HELD_SOURCE.findall(tag):
            address = html.unescape(value.decode("utf-8", "replace")).strip("\"' ")
            yield urldefrag(urljoin(page.url, address)).url


def without_held_scripts(page: bytes, held: bytes) -> bytes:
    """Return ``page`` without the inline scripts that are marked in ``held``, and otherwise unchanged."""
    for code in sorted(set(_HELD_SCRIPT.findall(held)), key=len, reverse=True):
        if code.strip():
            page = page.replace(b">" + code + b"</", b"></")
    return page


class Visits:
    """Visits to pages in one Chromium, each with a fresh profile."""

    def __init__(self, engine: Chromium, proxy: Proxy, wrapped: Wrapped) -> None:
        self._engine = engine
        self._proxy = proxy
        self._wrapped = wrapped
        self._matcher = Matcher(catalogue.load().values())

    def find(self, page: SavedPage, scripts: bool) -> Finding:
        """Compare a page with itself behind the middleware."""
        held = get(self._wrapped.around(SavedSite(page)), page.url, HTTP_SEC_FETCH_DEST="document")
        bare = self._see(page, scripts, SavedSite(page))
        free = {hit.url for hit in bare.hits if hit.method != "CONNECT" and not any(claims(self._matcher, page, [hit]))}
        wanted = without_chance(free)
        wrapped = self._see(page, scripts, self._wrapped.around(SavedSite(page)), wanted)
        lost = wanted - without_chance(wrapped.urls)
        if lost:
            # The choice among several icons, and what is in view at a given moment, are random.
            again = self._see(page, scripts, self._wrapped.around(SavedSite(page)), wanted)
            wrapped = Sight(wrapped.hits + again.hits, wrapped.errors + again.errors)
            lost = wanted - without_chance(wrapped.urls)
        held_pixels = without_chance(unknown_pixels(page, held.body))
        # A browser uses https for some hosts, whatever the page says.
        pixels = frozenset(url for url in lost if not held_pixels.isdisjoint({url, url.replace("https:", "http:", 1)}))
        lost -= pixels
        caused: frozenset[str] = frozenset()
        if lost and scripts:
            # Requests that the page makes without the held scripts must also be made if they are held.
            rest = self._see(page, scripts, SavedSite(page, without_held_scripts(page.body, held.body)), wanted)
            caused = lost - without_chance(rest.urls)
            lost -= caused
        return Finding(
            status=held.status[:3],
            bare=bare.urls,
            claimed_bare=tuple(claims(self._matcher, page, bare.hits)),
            wrapped=wrapped.urls,
            claimed=tuple(claims(self._matcher, page, wrapped.hits)),
            lost=lost,
            pixels=pixels,
            caused=caused,
            errors=wrapped.errors,
        )

    def _see(
        self, page: SavedPage, scripts: bool, site: WSGIApplication, wanted: frozenset[str] = frozenset()
    ) -> Sight:
        """Visit ``page``, and give it a little time for the ``wanted`` requests."""
        with self._proxy.lane() as lane, self._engine.session(lane, scripts) as session:
            lane.serve(page.host, site)
            # A page may never stop making requests; those until then count.
            with contextlib.suppress(TimeoutError):
                session.open(page.url)
            lane.wait_for(lambda hits: wanted <= without_chance(hit.url for hit in hits), limit=1.5)
            hits = tuple(background.without_background(lane.hits()))
            return Sight(hits, tuple(lane.errors))


Findings = Batch[tuple[int, bool], Finding]


@pytest.fixture(scope="module")
def findings(proxy: Proxy, chromium_engine: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The findings of every page, scripts on and off."""
    visits = Visits(chromium_engine, proxy, Wrapped(tmp_path_factory.mktemp("pages")))
    keys = [(number, scripts) for number in range(len(SEEN)) for scripts in MODES]

    def find(key: tuple[int, bool]) -> Finding:
        number, scripts = key
        found = visits.find(SEEN[number], scripts)
        if path := os.environ.get("CONSENT_MW_PAGES_REPORT"):
            report(Path(path), SEEN[number], scripts, found)
        return found

    return Batch(keys, find, size=8, width=4)


def report(path: Path, page: SavedPage, scripts: bool, found: Finding) -> None:
    """Add a line of JSON to the report."""
    row = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(found).items()}
    line = json.dumps({"id": page.id, "url": page.url, "scripts": scripts, **row})
    with path.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")


EACH = cases(
    (
        (f"{page}-{'on' if scripts else 'off'}", (number, scripts))
        for number, page in enumerate(SEEN)
        for scripts in MODES
    ),
    width=2,
)


@pytest.mark.parametrize(("number", "scripts"), EACH)
def test_no_catalogue_host_is_reached_before_a_choice(findings: Findings, number: int, scripts: bool) -> None:
    """There are no requests or connections to services that need consent."""
    found = findings[number, scripts]
    assert (found.claimed, found.errors) == ((), ())


@pytest.mark.parametrize(("number", "scripts"), EACH)
def test_nothing_else_is_lost(findings: Findings, number: int, scripts: bool) -> None:
    """Requests that match no service are made as before, except those of held scripts and hidden pixels."""
    assert findings[number, scripts].lost == frozenset()


def test_the_bare_pages_do_reach_catalogue_hosts(findings: Findings) -> None:
    """The bare pages reach trackers, so the first test could fail."""
    if not SEEN:
        pytest.skip(ABSENT)
    assert any(findings[number, True].claimed_bare for number in range(len(SEEN)))
