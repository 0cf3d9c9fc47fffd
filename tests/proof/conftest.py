"""Fixtures with every store of records, for the tests of the ledger's proofs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.records.stores import grant
from tests.records.stores import mark_slow
from tests.records.stores import opened
from tests.records.stores import patience
from tests.records.stores import server
from tests.records.stores import store
from tests.records.stores import url

__all__ = ["grant", "opened", "patience", "server", "store", "url"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server as slow."""
    mark_slow(Path(__file__).parent, items)
