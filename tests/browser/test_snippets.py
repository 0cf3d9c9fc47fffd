"""
Vendors' install code on real pages, one by one in Chromium: no vendor before a choice, all after it, none again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw.catalogue import load as load_catalogue
from tests.browser.harness.batch import Batch
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.journeys import Hits
from tests.browser.harness.journeys import Journey
from tests.browser.harness.journeys import look
from tests.browser.harness.journeys import travel
from tests.browser.harness.pool import Pool
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import PageSite
from tests.browser.harness.snippets import HELD
from tests.browser.harness.snippets import KEPT
from tests.browser.harness.snippets import Snippet
from tests.browser.harness.snippets import snippets
from tests.browser.harness.wrapped import Wrapped

ALL = snippets()
EVERY = range(len(ALL))
MODES = [True, False]
Key = tuple[int, bool]


def is_held(snippet: Snippet) -> bool:
    """Return whether ``snippet`` is held until "accept all"."""
    if snippet.category == "functional-or-analytics":
        return not load_catalogue()["sentry"].necessary
    return snippet.category in HELD


CHOOSING = [number for number in EVERY if is_held(ALL[number])]
KEEPING = [number for number in EVERY if ALL[number].category in KEPT]


def named(number: int) -> str:
    """Return the test id of a page."""
    return str(ALL[number])


def mode(scripts: bool) -> str:
    """Return the test id of a mode."""
    return "on" if scripts else "off"


def requested(snippet: Snippet, hits: Hits | list[Hit]) -> frozenset[str]:
    """Return the requested targets, without mere connections."""
    return snippet.targets(hit for hit in hits if hit.method != "CONNECT")


@pytest.fixture(scope="module")
def pool(proxy: Proxy, chromium_engine: Chromium) -> Iterator[Pool]:
    """Chromium sessions in which every foreign host answers with a valid resource."""
    pool = Pool(chromium_engine, proxy)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def bare(pool: Pool) -> Batch[Key, Hits]:
    """Visits to the bare pages."""

    def work(key: Key) -> Hits:
        snippet, wanted = ALL[key[0]], ALL[key[0]].requested[key[1]]
        with pool.take(key[1]) as (lane, session):
            lane.serve(snippet.first_party, PageSite(snippet.page))
            url = f"https://{snippet.first_party}/"
            return look(session, lane, url, lambda hits: wanted <= requested(snippet, hits))

    return Batch([(number, scripts) for number in EVERY for scripts in MODES], work)


@pytest.fixture(scope="module")
def journeys(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Batch[Key, Journey]:
    """Journeys through the pages behind the middleware, which is only configured with a place for records."""
    folder = tmp_path_factory.mktemp("sites")  # created here, since pytest's factory is not thread-safe

    def work(key: Key) -> Journey:
        snippet, wanted = ALL[key[0]], ALL[key[0]].requested[key[1]]
        # A separate site, so that it only discovers the services of this page.
        wrapped = Wrapped(Path(tempfile.mkdtemp(dir=folder)))
        with pool.take(key[1]) as (lane, session):
            lane.serve(snippet.first_party, wrapped.around(PageSite(snippet.page)))
            return travel(
                session,
                lane,
                f"https://{snippet.first_party}/",
                choose=is_held(snippet),
                enough=lambda hits: wanted <= requested(snippet, hits),
            )

    return Batch([(number, scripts) for number in EVERY for scripts in MODES], work)


@pytest.mark.parametrize("scripts", MODES, ids=mode)
@pytest.mark.parametrize("number", EVERY, ids=named)
def test_the_bare_page_reaches_its_vendors(bare: Batch[Key, Hits], number: int, scripts: bool) -> None:
    """The bare page makes exactly the requests in the index, so the tests below could fail."""
    assert requested(ALL[number], bare[number, scripts]) == ALL[number].requested[scripts]


@pytest.mark.parametrize("scripts", MODES, ids=mode)
@pytest.mark.parametrize("number", CHOOSING, ids=named)
def test_nothing_leaves_before_a_choice(journeys: Batch[Key, Journey], number: int, scripts: bool) -> None:
    """All requests and connections go to the site itself."""
    found = journeys[number, scripts]
    assert (ALL[number].targets(found.before), found.errors) == (frozenset(), ())


@pytest.mark.parametrize("scripts", MODES, ids=mode)
@pytest.mark.parametrize("number", CHOOSING, ids=named)
def test_after_accepting_all_the_page_is_as_the_bare_one(
    journeys: Batch[Key, Journey], number: int, scripts: bool
) -> None:
    """With everything accepted, the vendors of the bare page are reached, and no others."""
    assert requested(ALL[number], journeys[number, scripts].accepted) == ALL[number].requested[scripts]


@pytest.mark.parametrize("number", CHOOSING, ids=named)
def test_with_scripts_the_release_is_in_place(journeys: Batch[Key, Journey], number: int) -> None:
    """With scripts on, accepting does not reload the page."""
    found = [str(hit) for hit in journeys[number, True].accepted if hit.path == "/"]
    assert found == []


@pytest.mark.parametrize("scripts", MODES, ids=mode)
@pytest.mark.parametrize("number", CHOOSING, ids=named)
def test_nothing_leaves_after_withdrawing(journeys: Batch[Key, Journey], number: int, scripts: bool) -> None:
    """The page after a withdrawal only reaches the site itself."""
    found = journeys[number, scripts]
    assert (ALL[number].targets(found.withdrawn), found.errors) == (frozenset(), ())


@pytest.mark.parametrize("scripts", MODES, ids=mode)
@pytest.mark.parametrize("number", KEEPING, ids=named)
def test_what_works_for_the_visitor_is_left_alone(journeys: Batch[Key, Journey], number: int, scripts: bool) -> None:
    """Payment, fonts, libraries and bot checks load before any choice, as on the bare page."""
    found = journeys[number, scripts]
    assert (requested(ALL[number], found.before), found.errors) == (ALL[number].requested[scripts], ())
