"""What a running site does beside its requests, by its own clock and by the store's."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.model import Site
from consent_mw.counting.tally import Tally
from consent_mw.engine.housekeeping import Housekeeping
from consent_mw.proof.erasing import erase
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.spool.file import SpoolFile
from consent_mw.records.sqlite import SqliteRecords
from tests.records.samples import DAY
from tests.records.samples import a_grant

KEYS = ("k" * 40,)
SITE = Site(name="Shop", id="site")


class Store(SqliteRecords):
    """A file that can have a clock of its own, and faults, as a server has."""

    seconds: float | None = None
    found: tuple[str, ...] = ()

    def clock(self) -> float | None:
        return self.seconds

    def faults(self) -> list[str]:
        return list(self.found)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(Store(str(tmp_path / "consent.db"))) as opened:
        yield opened


def do(store: Store, name: str, day: int = DAY) -> None:
    """Run one task, as a machine whose date is ``day`` does."""
    clock = lambda: day * 86_400.0 + 50_000  # noqa: E731
    housekeeping = Housekeeping(SITE, store, KEYS, Tally(store, SITE, clock=clock), clock)
    next(task for task in housekeeping.tasks() if task.name == name).run()


def test_an_entry_is_sealed_once_its_day_is_over(store: Store) -> None:
    """Its seal then tells no more than its day; nor does a clock that is a little ahead make a seal of its own."""
    for number, day in enumerate((-1, 0, 0, 1, -1)):
        store.append(replace(a_grant(f"{number}"), day=DAY + day))
    do(store, "sealing")
    assert [sorted(kept.entry.receipt for kept in store.sealed(seal.number)) for seal in store.seals()] == [["0", "4"]]
    do(store, "sealing")
    assert len(store.seals()) == 1
    do(store, "sealing", DAY + 2)
    assert (len(store.sealed(2)), store.unsealed(9)) == (3, [])


def test_seals_of_one_day_tell_nothing_of_the_order_of_arrival(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a day has more entries than a seal, they are divided by receipt, and within a seal stand by their hash."""
    monkeypatch.setattr(store, "most_in_seal", lambda: 4)
    for receipt in ("g", "b", "h", "a", "f", "c"):
        store.append(a_grant(receipt))
    do(store, "sealing", DAY + 1)
    assert [sorted(kept.entry.receipt for kept in store.sealed(number)) for number in (1, 2)] == [
        ["a", "b", "c", "f"],
        ["g", "h"],
    ]
    assert all(list(seal.leaves or ()) == sorted(seal.leaves or ()) for seal in store.seals())


def test_a_seal_has_the_date_of_the_store(store: Store) -> None:
    """A machine that is years behind must not date a seal: its entries would be purged at once."""
    store.append(replace(a_grant(), day=DAY - 900))
    store.seconds = DAY * 86_400.0
    do(store, "sealing", DAY - 900)
    (seal,) = store.seals()
    assert seal.day == DAY


def test_a_fault_of_the_store_is_logged_once_while_it_lasts(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody turned something off: the log says so, and says so again only if it comes again."""
    caplog.set_level(logging.WARNING, "consent_mw")
    housekeeping = Housekeeping(SITE, store, KEYS, Tally(store, SITE), lambda: DAY * 86_400.0)
    (task,) = (task for task in housekeeping.tasks() if task.name == "looking at the store's settings")
    for found in ((), ("It forgets.",), ("It forgets.",), (), ("It forgets.",)):
        store.found = found
        task.run()
    assert [record.message for record in caplog.records if record.name == "consent_mw"] == ["It forgets."] * 2


def test_the_spool_obeys_erasures_on_other_machines(store: Store, tmp_path: Path) -> None:
    """The running site looks for the marks of what it sends on."""
    erase(store, "gone", site="site", keys=KEYS, today=DAY)
    with closing(SpoolFile(str(tmp_path / "spool.db"), site="site")) as file:
        for receipt in ("gone", "kept"):
            file.append(a_grant(receipt))
    with closing(SpooledRecords(store, str(tmp_path / "spool.db"), site="site")) as records:
        housekeeping = Housekeeping(SITE, records, KEYS, Tally(store, SITE), lambda: DAY * 86_400.0)
        next(task for task in housekeeping.tasks() if task.name == "replaying").run()
        assert (records.waits(), len(store.history("gone")), len(store.history("kept"))) == (False, 0, 1)
