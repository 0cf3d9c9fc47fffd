"""Faults of a store on another machine: killed, frozen, full, or lost during a replay of the spool."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import load
from tests.faults.harness import ENDLESS
from tests.faults.harness import PATIENT
from tests.faults.harness import Visit
from tests.faults.harness import acknowledged
from tests.faults.harness import expect_proved
from tests.faults.harness import expect_served
from tests.faults.harness import serving
from tests.faults.harness import site
from tests.faults.stores import Redis
from tests.faults.stores import Store

pytestmark = pytest.mark.slow


def waiting(spool: Path) -> int:
    """Return the number of spooled entries, as another program would read it."""
    with closing(sqlite3.connect(spool)) as connection:
        return int(connection.execute("SELECT count(*) FROM ledger").fetchone()[0])


def expect_sent_on(spool: Path) -> None:
    """Wait until the site has sent its spooled entries."""
    until = time.monotonic() + PATIENT
    while waiting(spool):
        assert time.monotonic() < until, f"{waiting(spool)} entries wait still"
        time.sleep(0.05)


def statuses(visits: list[Visit]) -> set[int]:
    """Return the statuses that visitors got."""
    return {visit.status for visit in visits}


def test_a_store_killed_during_load_loses_nothing(tmp_path: Path, spool: Path, store: Store, url: str) -> None:
    """Grants go to the spool and are in the store once it is back; pages are always served."""
    with serving(tmp_path, site(url, spool)) as server:
        pages = server.load("pages", pause=0.02)
        grants = server.load("grants", pause=0.005, threads=4)
        visits = grants.next(150)
        store.kill()
        visits += grants.for_seconds(1.0)
        waited = waiting(spool)
        store.start()
        visits += grants.for_seconds(0.5) + grants.stop()
        expect_sent_on(spool)
        views = pages.stop()
    assert (statuses(visits), waited > 0) == ({303}, True)
    expect_served(views)
    expect_proved(url, acknowledged(visits), attempts=len(visits))


def test_a_frozen_store_holds_up_no_page(tmp_path: Path, spool: Path, store: Store, url: str) -> None:
    """
    While the store hangs, no page waits for it, and every grant is acknowledged.

    The site would wait longer for the store than this test waits for a visitor. So what was answered did not wait.
    """
    option = "timeout" if isinstance(store, Redis) else "connect_timeout"
    address = f"{url}{'&' if '?' in url else '?'}{option}={ENDLESS}"
    with serving(tmp_path, site(address, spool), environment={"SITE_STORE_LIMIT": str(ENDLESS)}) as server:
        visits = server.load("grants", count=20, threads=2).rest()
        store.freeze()
        # There are more of them than workers: if they waited for the store, no worker would be left for pages.
        grants = server.load("grants", count=60, pause=0.05, threads=8)
        views = server.load("pages", count=100, pause=0.01).rest()
        visits += grants.rest()
        spooled = waiting(spool)
        store.thaw()
        expect_sent_on(spool)
    assert (statuses(visits), spooled >= 60) == ({303}, True)
    expect_served(views)
    expect_proved(url, acknowledged(visits), attempts=len(visits))


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_replay_that_is_killed_is_gone_on_with(tmp_path: Path, spool: Path, store: Store, url: str) -> None:
    """All workers are killed during a replay; their successors send the rest, and nothing twice."""
    with serving(tmp_path, site(url, spool), workers=4) as server:
        store.kill()
        visits = server.load("grants", count=1000, threads=4).rest()
        spooled = waiting(spool)
        pages = server.load("pages", pause=0.02)
        store.start()
        until = time.monotonic() + PATIENT
        while waiting(spool) == spooled:
            assert time.monotonic() < until
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        left = waiting(spool)
        expect_sent_on(spool)
        views = pages.stop()
    assert (statuses(visits), spooled) == ({303}, 1000)
    assert 0 < left < spooled
    expect_served(views, broken=4)
    expect_proved(url, acknowledged(visits), attempts=len(visits))


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_with_the_store_away_and_the_disk_full_grants_are_refused(
    tmp_path: Path, spool: Path, store: Store, url: str
) -> None:
    """Without store and spool a grant gets a 503 that asks to retry; refusals and pages work."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    with serving(tmp_path, site(url, spool), before=limit, options=("--log-level=critical",)) as server:
        store.kill()
        pages = server.load("pages", pause=0.02)
        visits = server.load("grants", count=300, threads=4).rest()
        answer = load.choose(server.port, "accept-all")
        refusals = server.load("refusals", count=20).rest()
        store.start()
        expect_sent_on(spool)
        after = server.load("grants", count=20).rest()
        views = pages.stop()
    assert (statuses(visits), statuses(refusals), statuses(after)) == ({303, 503}, {303}, {303})
    assert (load.status_of(answer), b"Retry-After: 10" in answer, load.receipt_of(answer)) == (503, True, "")
    expect_served(views)
    expect_proved(url, acknowledged([*visits, *after]), attempts=321)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_store_that_is_full_loses_nothing(tmp_path: Path, spool: Path, store: Store, url: str) -> None:
    """The store can be read but not written: grants are spooled until it has room."""
    assert isinstance(store, Redis)
    with serving(tmp_path, site(url, spool)) as server:
        first = server.load("grants", count=50).rest()
        store.fill()
        visits = server.load("grants", count=100, threads=2).rest()
        waited = waiting(spool)
        store.clear()
        expect_sent_on(spool)
    assert statuses([*first, *visits]) == {303}
    assert waited >= 100  # one more if the store was slow before
    expect_proved(url, acknowledged([*first, *visits]), attempts=150)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_site_that_starts_without_its_store_serves_and_records(
    tmp_path: Path, spool: Path, store: Store, url: str
) -> None:
    """It serves pages and accepts grants at once, and connects to the store when it is up."""
    store.kill()
    with serving(tmp_path, site(url, spool)) as server:
        pages = server.load("pages", pause=0.02)
        visits = server.load("grants", count=50).rest()
        store.start()
        expect_sent_on(spool)
        views = pages.stop()
    assert Counter(visit.status for visit in visits) == {303: 50}
    expect_served(views)
    expect_proved(url, acknowledged(visits), attempts=50)
