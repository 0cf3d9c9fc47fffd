"""Every store of records, opened for a test; the suite of ``test_records.py`` runs on each."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw.core.model import Action
from consent_mw.core.model import Record
from consent_mw.records import Records
from consent_mw.records import open_records


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store of each kind."""
    return {"sqlite": f"sqlite:///{tmp_path}/consent.db"}[request.param]


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], Records]]:
    """Return what opens the store once more, as another process would; all are closed at the end."""
    stores: list[Records] = []

    def another() -> Records:
        stores.append(open_records(url))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Records]) -> Records:
    """Return an open, empty store."""
    return opened()


@pytest.fixture
def grant() -> Record:
    """Return a grant."""
    return Record(
        action=Action.PARTIAL,
        day=20_779,
        revision="0123456789ab",
        purposes=frozenset({"marketing", "analytics"}),
        services=frozenset({"youtube", "ga"}),
        receipt="r" * 22,
        gpc=True,
    )
