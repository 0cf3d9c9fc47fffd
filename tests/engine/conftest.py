"""The engines of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.model import Site
from consent_mw.engine import Engine
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.engine.visits import DAY
from tests.engine.visits import KEYS
from tests.engine.visits import Make


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make engines on one records file."""
    opened: list[Records] = []

    def made(site: Site | None = None, *, day: int = DAY, **settings: object) -> Engine:
        address = f"sqlite:///{tmp_path}/consent.db"
        loaded = site or config.load({"site": {"records": address, **settings}})
        records = open_records(address)
        opened.append(records)
        return Engine(loaded, records, KEYS, clock=lambda: day * 86_400.0, receipt=lambda: "r" * 22)

    yield made
    for records in opened:
        records.close()
