"""Purging and publishing with clocks that may be wrong, on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.core.seal import Entry
from consent_mw.proof.retention import ALWAYS
from consent_mw.proof.retention import ClocksDiffer
from consent_mw.proof.retention import PurgeTooLarge
from consent_mw.proof.retention import check_clocks
from consent_mw.proof.retention import clock_difference
from consent_mw.proof.retention import purge_due
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import verify
from consent_mw.records import Records

KEYS = ("k" * 40,)
DAY = 86_400.0
RECORD_DAYS = 540


class Clockwork:
    """A store whose clock the test sets; everything else is delegated to the store."""

    def __init__(self, records: Records, seconds: float | None) -> None:
        self._records = records
        self._seconds = seconds

    def __getattr__(self, name: str) -> object:
        return getattr(self._records, name)

    def clock(self) -> float | None:
        return self._seconds


def filled(store: Records, grant: Entry, days: list[int], each: int = 2) -> Records:
    """Seal ``each`` entries on each of the days, counted from that of the grant."""
    for day in days:
        for number in range(each):
            store.append(replace(grant, receipt=f"{day}-{number}"))
        assert seal_new(store, site=grant.site, keys=KEYS, today=grant.day + day) == each
    return store


def test_a_store_tells_the_time_or_says_that_it_has_none(store: Records) -> None:
    """Servers have a clock, which here is that of this machine; an embedded store has none."""
    import time

    ahead = clock_difference(store, time.time())
    assert ahead is None or abs(ahead) < 60


def test_what_is_due_is_counted(store: Records, grant: Entry) -> None:
    """Sealed entries are counted by the day of their seal; purged entries are not counted."""
    filled(store, grant, [0, 1, 5])
    assert [store.due(grant.day + day) for day in (0, 1, 2, 9)] == [(0, 6), (2, 6), (4, 6), (6, 6)]
    store.purge(grant.day + 1)
    assert store.due(grant.day + 9) == (4, 4)


def test_a_machine_that_is_ahead_of_the_store_purges_nothing(store: Records, grant: Entry) -> None:
    """With a clock hundreds of days ahead, the retention of every entry would be over."""
    filled(store, grant, [0, 1, 2])
    true = (grant.day + 3) * DAY
    ahead = Clockwork(store, true)
    with pytest.raises(ClocksDiffer, match="600 days ahead of the store's"):
        purge_due(ahead, now=true + 600 * DAY, record_days=RECORD_DAYS)  # type: ignore[arg-type]
    with pytest.raises(ClocksDiffer):
        check_clocks(ahead, true - 3600)  # type: ignore[arg-type]
    assert len(list(store.entries())) == 6
    check_clocks(ahead, true + 300)  # type: ignore[arg-type]


def test_an_embedded_store_loses_a_tenth_at_most(store: Records, grant: Entry) -> None:
    """Without another clock to compare with, dropping more than a tenth needs the owner's confirmation."""
    filled(store, grant, list(range(6)), each=ALWAYS)
    alone = Clockwork(store, None)
    with pytest.raises(PurgeTooLarge) as caught:
        purge_due(alone, now=(grant.day + 900) * DAY, record_days=RECORD_DAYS)  # type: ignore[arg-type]
    assert (caught.value.due, caught.value.sealed) == (6 * ALWAYS, 6 * ALWAYS)
    assert "ledger purge --confirm" in str(caught.value)
    assert len(list(store.entries())) == 6 * ALWAYS
    now = (grant.day + RECORD_DAYS + 1) * DAY
    assert purge_due(alone, now=now, record_days=RECORD_DAYS) == ALWAYS  # type: ignore[arg-type]
    gone = purge_due(alone, now=(grant.day + 900) * DAY, record_days=RECORD_DAYS, confirmed=True)  # type: ignore[arg-type]
    assert gone == 5 * ALWAYS


def test_a_seal_of_the_future_stops_a_purge_that_nothing_confirms(store: Records, grant: Entry) -> None:
    """Either this clock is behind, or that of the sealing machine was ahead; the store's clock decides."""
    filled(store, grant, [0, 600])
    now = (grant.day + RECORD_DAYS + 1) * DAY
    with pytest.raises(ClocksDiffer, match="The newest seal is dated"):
        purge_due(Clockwork(store, None), now=now, record_days=RECORD_DAYS)  # type: ignore[arg-type]
    assert purge_due(Clockwork(store, now), now=now, record_days=RECORD_DAYS) == 2  # type: ignore[arg-type]


def test_a_seal_of_the_future_proves_no_purge(store: Records, grant: Entry) -> None:
    """If a machine with a clock ahead purged and sealed, verification with the right date finds the missing entries."""
    filled(store, grant, [0, 1])
    store.purge(grant.day + 2)
    filled(store, grant, [600])
    found = verify(store, site=grant.site, keys=KEYS, today=grant.day + 2, record_days=RECORD_DAYS)
    assert found.finding is not None
    assert found.finding.kind is FindingKind.PURGED
