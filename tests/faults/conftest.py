"""Fixtures with store servers for the fault tests: one of each kind per test process."""

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
    """Yield the address of an empty store on the server, which is resumed after the test."""
    yield store.fresh()
    store.thaw()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Return the path of the site's spool."""
    return tmp_path / "spool.db"
