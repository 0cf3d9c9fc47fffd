"""Processes of a site that learns exchange what they found in its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.engine import Engine
from consent_mw.errors import RecordsError
from consent_mw.records import open_records

FOUND = frozenset({"google-analytics"})


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """Return the engines of two processes with one store."""
    address = f"sqlite:///{tmp_path}/consent.db"
    stores = [open_records(address) for _ in range(2)]
    one, two = [Engine(config.load({"site": {"records": address}}), store, ("k" * 40,)) for store in stores]
    yield one, two
    for store in stores:
        store.close()


def known(engine: Engine) -> list[str]:
    """Return what a process asks about once it has loaded what others found."""
    engine._growing.visited = True
    engine._growing.share()
    return [service.id for service in engine.now().site.services]


def test_what_is_learned_while_a_request_runs_is_shared(processes: tuple[Engine, Engine]) -> None:
    """The background task may run between the start of a request and what its page shows."""
    one, two = processes
    one.patience = 30.0
    one.note_request()
    one._growing.share()
    one._growing.saw(FOUND)
    assert known(two) == [*FOUND]
    one.close()


def test_what_the_store_did_not_take_is_shared_later(
    processes: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails once gets the discovery the next time, without another visit."""
    one, two = processes
    growing, fails = one._growing, [RecordsError("the disk is full")]
    real = one.records.learned

    def learned() -> frozenset[str]:
        if fails:
            raise fails.pop()
        return real()

    monkeypatch.setattr(one.records, "learned", learned)
    monkeypatch.setattr(growing, "_hurry", lambda *_: None)
    growing.saw(FOUND)
    with pytest.raises(RecordsError):
        growing.share()
    growing.share()
    assert known(two) == [*FOUND]
