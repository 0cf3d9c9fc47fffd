"""
All snippets on one page, in every engine: no vendor before a choice, all after it, none after withdrawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.browser.harness import background
from tests.browser.harness.engines import Engine
from tests.browser.harness.journeys import Hits
from tests.browser.harness.journeys import Journey
from tests.browser.harness.journeys import look
from tests.browser.harness.journeys import travel
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import ROOT
from tests.browser.harness.site import PageSite
from tests.browser.harness.snippets import KEPT
from tests.browser.harness.snippets import combined
from tests.browser.harness.snippets import snippets
from tests.browser.harness.wrapped import Wrapped

ALL = snippets()
PAGE = combined(ALL)
EXPECTED = {mode: frozenset[str]().union(*(snippet.requested[mode] for snippet in ALL)) for mode in (True, False)}
KEPT_PAGES = [snippet for snippet in ALL if snippet.category in KEPT]
HELD_HOSTS = frozenset[str]().union(*(snippet.hosts for snippet in ALL if snippet not in KEPT_PAGES))
#: Hosts that some page needs before a choice.
NEEDED = {mode: frozenset[str]().union(*(snippet.requested[mode] for snippet in KEPT_PAGES)) for mode in (True, False)}
#: Hosts that may get requests or connections then. If another page's tag uses a needed host (a map and a bot check),
#: test_snippets.py distinguishes them.
ALLOWED = {
    mode: NEEDED[mode] | (frozenset[str]().union(*(snippet.hosts for snippet in KEPT_PAGES)) - HELD_HOSTS)
    for mode in (True, False)
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One engine's visits to the bare page, and to the page behind the middleware."""

    bare: frozenset[str]
    journey: Journey


def hosts(hits: Hits | list[Hit], *, connections: bool = False) -> frozenset[str]:
    """Return the foreign hosts that got requests, or with ``connections`` also those with only a connection."""
    counted = (hit for hit in background.without_background(hits) if connections or hit.method != "CONNECT")
    return frozenset(hit.host for hit in counted if hit.host != FIRST_PARTY)


@pytest.fixture(scope="module", params=["chromium_profile", "firefox", "webkit"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines, with an ordinary profile."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["on", "off"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Scripts on or off."""
    found: bool = request.param
    return found


@pytest.fixture(scope="module")
def seen(proxy: Proxy, engine: Engine, scripts: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The visits of ``engine``."""
    wanted = EXPECTED[scripts] - {"SAME-ORIGIN"}
    with proxy.lane({FIRST_PARTY: PageSite(PAGE)}) as lane, engine.session(lane, scripts) as session:
        bare = hosts(look(session, lane, ROOT, lambda hits: wanted <= hosts(hits)))
    site = Wrapped(tmp_path_factory.mktemp("site")).around(PageSite(PAGE))
    with proxy.lane({FIRST_PARTY: site}) as lane, engine.session(lane, scripts) as session:
        later = bare - NEEDED[scripts]
        yield Seen(bare, travel(session, lane, ROOT, choose=True, enough=lambda hits: later <= hosts(hits)))


def test_the_bare_page_reaches_the_vendors(seen: Seen, scripts: bool) -> None:
    """The bare page reaches every vendor that Chromium reaches on the single pages, so the tests below could fail."""
    assert EXPECTED[scripts] - {"SAME-ORIGIN"} - seen.bare == frozenset()


def test_nothing_leaves_before_a_choice(seen: Seen, scripts: bool) -> None:
    """There are no requests or connections to held vendors."""
    found = hosts(seen.journey.before, connections=True) - ALLOWED[scripts]
    assert (found, seen.journey.errors) == (frozenset(), ())


def test_what_works_for_the_visitor_is_left_alone(seen: Seen, scripts: bool) -> None:
    """Payment, fonts, libraries and bot checks load before any choice."""
    assert NEEDED[scripts] - hosts(seen.journey.before) == frozenset()


def test_after_accepting_all_the_page_is_as_the_bare_one(seen: Seen) -> None:
    """With everything accepted, the vendors of the bare page are reached, and no others."""
    assert hosts(seen.journey.before + seen.journey.accepted) == seen.bare


def test_with_scripts_the_release_is_in_place(seen: Seen, scripts: bool) -> None:
    """Accepting reloads the page only if scripts are off."""
    found = [hit.method for hit in seen.journey.accepted if hit.host == FIRST_PARTY and hit.path == "/"]
    assert found == ([] if scripts else ["GET"])


def test_nothing_leaves_after_withdrawing(seen: Seen, scripts: bool) -> None:
    """The page after a withdrawal only reaches the site and the necessary vendors."""
    assert hosts(seen.journey.withdrawn, connections=True) - ALLOWED[scripts] == frozenset()
