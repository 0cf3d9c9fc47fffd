"""
Markup that careless rewriting breaks, in Chromium: the tracker is never reached, and the rest of the page works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.browser.harness.answers import failing
from tests.browser.harness.batch import Batch
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.corpus import OWN_TRAPS
from tests.browser.harness.journeys import from_page
from tests.browser.harness.pool import Pool
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import PageSite
from tests.browser.harness.traps import Trap
from tests.browser.harness.traps import load
from tests.browser.harness.traps import traps
from tests.browser.harness.wrapped import Wrapped

OWN = load(OWN_TRAPS)
ALL = traps()
MODES = [True, False]


@dataclass(frozen=True, slots=True)
class Visit:
    """The result of one visit."""

    hits: tuple[Hit, ...]
    urls: frozenset[str]
    errors: tuple[str, ...]


def name(value: object) -> str:
    """Return the test id of a parameter."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def each(cases: list[Trap]) -> list[tuple[int, bool]]:
    """Return the keys of ``cases``, scripts on and off."""
    return [(number, scripts) for number in range(len(cases)) for scripts in MODES]


@pytest.fixture(scope="module")
def pool(proxy: Proxy, chromium_engine: Chromium) -> Iterator[Pool]:
    """Chromium sessions in which every foreign request, and every small first-party one, gets an error."""
    pool = Pool(chromium_engine, proxy, failing)
    yield pool
    pool.close()


def see(pool: Pool, trap: Trap, scripts: bool, expected: frozenset[str], wrapped: Wrapped | None) -> Visit:
    """Visit ``trap`` and give it time for the ``expected`` requests."""
    site = PageSite(trap.body, content_type=trap.content_type, chunk=trap.chunk, errors=True)
    with pool.take(scripts) as (lane, session):
        lane.serve(trap.host, site if wrapped is None else wrapped.around(site))
        session.open(trap.page_url)
        # This usually takes no time; it only keeps a very busy machine from causing a failure.
        lane.wait_for(lambda hits: expected <= {hit.url for hit in hits})
        hits = from_page(lane.hits(), trap.page_url)
        return Visit(hits, frozenset(hit.url for hit in hits), tuple(lane.errors))


@pytest.fixture(scope="module")
def bare(pool: Pool) -> Batch[tuple[int, bool], Visit]:
    """Visits to the bare pages of the project's own cases."""
    return Batch(each(OWN), lambda key: see(pool, OWN[key[0]], key[1], OWN[key[0]].fetch[key[1]], None))


@pytest.fixture(scope="module")
def held(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Batch[tuple[int, bool], Visit]:
    """Visits to all cases behind the middleware, before a choice."""
    wrapped = Wrapped(tmp_path_factory.mktemp("traps"))
    return Batch(each(ALL), lambda key: see(pool, ALL[key[0]], key[1], ALL[key[0]].must_stay[key[1]], wrapped))


@pytest.mark.parametrize("scripts", MODES, ids=name)
@pytest.mark.parametrize("number", range(len(OWN)), ids=lambda number: OWN[number].name)
def test_the_bare_page_asks_for_what_the_case_says(
    bare: Batch[tuple[int, bool], Visit], number: int, scripts: bool
) -> None:
    """The bare page reaches the tracker, so the tests below could fail."""
    found = bare[number, scripts]
    assert OWN[number].fetch[scripts] - found.urls == frozenset()


LEAKABLE = [
    pytest.param(number, scripts, id=f"{case.name}-{name(scripts)}")
    for number, case in enumerate(ALL)
    for scripts in MODES
    # An address that is built by code is not in the bytes.
    if case.must_not_fetch and case.needs != "runtime"
]


@pytest.mark.parametrize(("number", "scripts"), LEAKABLE)
def test_the_tracker_is_not_reached(held: Batch[tuple[int, bool], Visit], number: int, scripts: bool) -> None:
    """There are no requests or connections to the tracker before a choice."""
    found = held[number, scripts]
    assert (ALL[number].tracked(found.hits), found.errors) == ([], ())


STAYING = [
    pytest.param(number, scripts, id=f"{case.name}-{name(scripts)}")
    for number, case in enumerate(ALL)
    for scripts in MODES
    if case.must_stay[scripts] and case.observable
]


@pytest.mark.parametrize(("number", "scripts"), STAYING)
def test_the_rest_of_the_page_is_still_requested(
    held: Batch[tuple[int, bool], Visit], number: int, scripts: bool
) -> None:
    """All other requests are made as before."""
    found = held[number, scripts]
    assert ALL[number].must_stay[scripts] - found.urls == frozenset()
