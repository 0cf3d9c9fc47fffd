"""Records that the store has lost are written again from the cookies of their visitors, and erased ones are not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.proof import lost
from consent_mw.proof.erasing import erase
from consent_mw.proof.lost import LostRecords
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records.sqlite import SqliteRecords

OLD, NEW = "an old key of thirty-two letters!", "a new key of thirty-two letters!!"
SITE = Site(name="Shop", id="shop", record_days=30)
DAY = 20_779
REVISION = "0123456789ab"
COOKIE = Record(
    Action.PARTIAL,
    DAY - 2,
    REVISION,
    purposes=frozenset({"analytics"}),
    services=frozenset({"google-analytics"}),
    receipt="r" * 22,
    gpc=True,
)


class Store(SqliteRecords):
    """A file that counts the lookups, and can be away."""

    asked = 0
    away = False

    def history(self, receipt: str) -> list[Kept]:
        self.asked += 1
        if self.away:
            raise RecordsError("The store is away.")
        return super().history(receipt)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with closing(Store(str(tmp_path / "consent.db"), site=SITE.id)) as opened:
        yield opened


class Clock:
    """A monotonic clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def finder(store: Any, clock: Clock | None = None, keys: tuple[str, ...] = (OLD, NEW)) -> LostRecords:
    """Return what one process has."""
    return LostRecords(SITE, store, keys, lambda: DAY, clock or Clock())


def test_a_lost_record_is_written_again_and_says_so(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """With the day and the grants of the cookie, without a notice, as nobody knows which one was shown."""
    caplog.set_level(logging.WARNING, "consent_mw")
    process = finder(store)
    process.saw(COOKIE, REVISION)
    assert process.look() == 1
    entry = Entry(
        SITE.id,
        COOKIE.receipt,
        Act.PARTIAL,
        DAY - 2,
        REVISION,
        purposes=COOKIE.purposes,
        services=COOKIE.services,
        gpc=True,
        about="cookie",
    )
    assert store.history(COOKIE.receipt) == [Kept(entry)]
    assert seal_new(store, site=SITE.id, keys=(NEW,), today=DAY) == 1
    assert verify(store, site=SITE.id, keys=(NEW,), today=DAY, record_days=30, notices=True).ok
    assert [line.message.endswith(": 1") and COOKIE.receipt not in line.message for line in caplog.records] == [True]


def test_a_record_that_is_there_stays_as_it_is(store: Store) -> None:
    """Also if only its end is: then the visitor has withdrawn it."""
    for act in (Act.PARTIAL, Act.WITHDRAW):
        store.append(Entry(SITE.id, act.value, act, DAY - 2))
        process = finder(store)
        process.saw(replace(COOKIE, receipt=act.value), REVISION)
        assert process.look() == 0
    assert [kept.entry.about for kept in store.entries()] == ["", ""]


@pytest.mark.parametrize("sealed", [True, False])
def test_an_erased_record_does_not_come_back(store: Store, *, sealed: bool) -> None:
    """Whether or not it was sealed, and even if the key has changed since it was erased."""
    store.append(Entry(SITE.id, COOKIE.receipt, Act.PARTIAL, DAY - 2))
    if sealed:
        seal_new(store, site=SITE.id, keys=(OLD,), today=DAY)
    assert erase(store, COOKIE.receipt, site=SITE.id, keys=(OLD,), today=DAY) == 1
    while seal_new(store, site=SITE.id, keys=(OLD,), today=DAY):
        pass
    process = finder(store)
    process.saw(COOKIE, REVISION)
    assert (process.look(), store.history(COOKIE.receipt)) == (0, [])
    assert verify(store, site=SITE.id, keys=(OLD,), today=DAY, record_days=30).ok


def test_a_mark_says_nothing_without_the_keys(store: Store) -> None:
    """It contains neither the receipt nor anything that all its erasures share."""
    for receipt in ("one", "two"):
        erase(store, receipt, site=SITE.id, keys=(OLD,), today=DAY)
    numbers = [kept.entry.receipt for kept in store.tombstones()]
    assert len(set(numbers)) == 2
    assert all(len(number) == 43 and "one" not in number for number in numbers)
    erase(store, "one", site=SITE.id, keys=(NEW,), today=DAY)
    assert len(list(store.tombstones())) == 3


def test_the_store_is_asked_once_in_five_minutes(store: Store) -> None:
    """However many pages a visitor opens; after that the store may have lost the record again."""
    clock = Clock()
    process = finder(store, clock)
    for _ in range(3):
        process.saw(COOKIE, REVISION)
        process.look()
    assert store.asked == 1
    store.erase(COOKIE.receipt, DAY)  # without a mark: it is lost
    clock.now += lost.PERIOD
    process.saw(COOKIE, REVISION)
    assert (process.look(), store.asked) == (1, 2)


def test_a_page_view_asks_nothing() -> None:
    """Only the background thread has to do with the store."""
    finder(None).saw(COOKIE, REVISION)


def test_a_store_that_was_away_is_asked_again(store: Store) -> None:
    """Another server may have taken over, which lacks what the first one had."""
    process = finder(store)
    process.saw(COOKIE, REVISION)
    assert process.look() == 1
    store.erase(COOKIE.receipt, DAY)
    store.away = True
    process.saw(replace(COOKIE, receipt="other"), REVISION)
    with pytest.raises(RecordsError):
        process.look()
    store.away = False
    process.saw(COOKIE, REVISION)
    assert process.look() == 1


@pytest.mark.parametrize(
    "given",
    [
        {"receipt": ""},
        {"revision": "ba9876543210"},
        {"day": DAY - SITE.record_days - 1},
        {"action": Action.REJECT},
        {"action": Action.WITHDRAW},
    ],
    ids=["no receipt", "another question", "expired", "refused", "withdrawn"],
)
def test_what_a_cookie_does_not_prove_is_not_written(store: Store, given: dict[str, Any]) -> None:
    """Refusals have no record; an old record was purged; grants of another question cannot be read from a cookie."""
    process = finder(store)
    process.saw(replace(COOKIE, **given), REVISION)
    assert (process.look(), list(store.entries())) == (0, [])


def test_a_crowd_is_looked_up_in_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is bounded; who does not fit is noted by a later page view."""
    monkeypatch.setattr(lost, "BATCH", 3)
    process, written = finder(store), []
    for _ in range(3):
        for number in range(7):
            process.saw(replace(COOKIE, receipt=f"{number}"), REVISION)
        written.append(process.look())
    assert (written, len(list(store.entries()))) == ([3, 3, 1], 7)
