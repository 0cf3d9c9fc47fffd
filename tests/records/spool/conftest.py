"""Fixtures for records with a spool, with a remote store of each kind that a test can disconnect."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw.records import open_records
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.spool import breaker
from tests.records.remotes import KINDS
from tests.records.remotes import Remote
from tests.records.remotes import remote_of
from tests.records.spool.helpers import PATIENT
from tests.records.spool.helpers import Opened


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[str], object]) -> Iterator[Remote]:
    """Return an empty store on "another machine" of each kind, which a test can disconnect and reconnect."""
    with remote_of(request.param, tmp_path, server) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of the test's spool."""
    return tmp_path / "spool.db"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the cool-down, so that no test waits for a breaker."""
    monkeypatch.setattr(breaker, "PAUSE", 0.01)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.01)


@pytest.fixture
def opened(remote: Remote, file: Path) -> Iterator[Opened]:
    """Return a function that opens the records again, as another process would; close all at the end."""
    stores: list[SpooledRecords] = []

    def another(patience: float = PATIENT) -> SpooledRecords:
        stores.append(SpooledRecords(lambda: open_records(remote.url), str(file), patience=patience))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opened) -> SpooledRecords:
    """Return records whose remote store is reachable."""
    return opened()
