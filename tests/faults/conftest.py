"""Store servers for the tests of faults: one of each kind for a test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import stores
from tests.faults.stores import Store


@pytest.fixture(scope="session", params=stores.KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a running store server of each kind."""
    try:
        server = stores.KINDS[request.param]()
    except FileNotFoundError as error:
        pytest.skip(f"no {request.param} server: {error}")
    yield server
    server.stop()


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    """Return the address of an empty store on the server, which goes on when the test is over."""
    yield store.fresh()
    store.thaw()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Return where the spool of the site is."""
    return tmp_path / "spool.db"
