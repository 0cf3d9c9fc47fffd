"""
Fixtures for the browsers and the proxy; each is started on first use and stopped at the end of the session.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.harness import background
from tests.browser.harness import chromium as chromium_driver
from tests.browser.harness import firefox as firefox_driver
from tests.browser.harness import webkit as webkit_driver
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.chromium import ChromiumProfile
from tests.browser.harness.engines import Engine
from tests.browser.harness.firefox import Firefox
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.webkit import WebKit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder that uses a browser."""
    browsers = {"chromium", "chromium_engine", "chromium_profile", "firefox", "webkit", "engine"}
    for item in items:
        named = set(map(str, item.callspec.params.values())) if hasattr(item, "callspec") else set()
        if browsers & {*getattr(item, "fixturenames", ()), *named}:
            item.add_marker("browser")
    _side_by_side(items)


def _side_by_side(items: list[pytest.Item]) -> None:
    """Put tests of the same batch of visits next to each other, so that few batches are computed twice."""
    places = [place for place, item in enumerate(items) if _batch(item)]
    for place, item in zip(places, sorted((items[place] for place in places), key=_batch), strict=True):
        items[place] = item


def _batch(item: pytest.Item) -> tuple[str, str, int] | tuple[()]:
    """Return the file, the fixture and the number of the test's batch; an empty tuple if it has none."""
    names = {"bare", "held", "journeys"}.intersection(getattr(item, "fixturenames", ()))
    number = item.callspec.params.get("number") if hasattr(item, "callspec") else None
    # 24 visits: each page with scripts on and off.
    return (item.path.name, min(names), number // 12) if names and isinstance(number, int) else ()


@pytest.fixture(scope="session")
def chromium_engine(proxy: Proxy) -> Iterator[Chromium]:
    """Chromium for concurrent visits; at the end, check its background requests against background.py."""
    path = chromium_driver.find()
    with proxy.lane() as lane:
        engine = Chromium(path, lane)
        yield engine
        engine.close()
        assert background.without_background(lane.hits()) == []


@pytest.fixture(scope="session")
def chromium_profile() -> Iterator[ChromiumProfile]:
    """Chromium with an ordinary profile."""
    engine = ChromiumProfile(chromium_driver.find(whole=True))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def firefox() -> Firefox:
    """Firefox ESR."""
    return Firefox(firefox_driver.find())


@pytest.fixture(scope="session")
def webkit() -> WebKit:
    """WebKitGTK's MiniBrowser."""
    return WebKit(webkit_driver.find())


@pytest.fixture(params=["chromium_profile", "firefox", "webkit"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines, with an ordinary profile."""
    found: Engine = request.getfixturevalue(request.param)
    return found
