"""A fixture with a running server of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edges.servers.harness import KINDS
from tests.edges.servers.harness import Server
from tests.edges.servers.harness import serving


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Run each server once for all tests of this process."""
    with serving(request.param) as running:
        yield running
