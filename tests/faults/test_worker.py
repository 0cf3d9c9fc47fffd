"""Faults of the site itself: killed workers, a full disk, a clock that is set back, two concurrent sealers."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import open_records
from tests.faults import load
from tests.faults.harness import KEYS
from tests.faults.harness import PATIENT
from tests.faults.harness import ROOT
from tests.faults.harness import SITE
from tests.faults.harness import acknowledged
from tests.faults.harness import expect_proved
from tests.faults.harness import expect_served
from tests.faults.harness import serving
from tests.faults.harness import site

pytestmark = pytest.mark.slow


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Return the address of records in a file."""
    return f"sqlite:///{tmp_path}/consent.db"


def test_workers_killed_during_5000_grants_lose_none(tmp_path: Path, file_url: str) -> None:
    """Every acknowledged receipt is in the ledger once, and pages are always served."""
    kills = 4
    with serving(tmp_path, site(file_url), workers=4) as server:
        pages = server.load("pages", pause=0.02)
        grants = server.load("grants", count=5000, threads=6)
        visits = []
        for _ in range(kills):
            visits += grants.next(900)
            os.kill(server.workers()[0], signal.SIGKILL)
        visits += grants.rest()
        views = pages.stop()
    statuses = Counter(visit.status for visit in visits)
    assert statuses[303] + statuses[0] == 5000
    assert statuses[0] <= kills
    expect_served(views, broken=kills)
    expect_proved(file_url, acknowledged(visits), attempts=5000)


def _limit_files() -> None:
    """Limit the files of this process and its children to 200 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_full_disk_refuses_grants_and_nothing_else(tmp_path: Path, file_url: str) -> None:
    """Grants get a 503; refusals, withdrawals and pages work; acknowledged grants stay."""
    with serving(tmp_path, site(file_url), before=_limit_files, options=("--log-level=critical",)) as server:
        pages = server.load("pages", pause=0.02)
        first = load.choose(server.port, "accept-all")
        grants = server.load("grants", count=600, threads=4)
        visits = grants.rest()
        refusals = server.load("refusals", count=20).rest()
        withdrawal = load.choose(server.port, "withdraw", cookie=_cookie(first))
        views = pages.stop()
    statuses = Counter(visit.status for visit in visits)
    assert set(statuses) == {303, 503}
    assert {visit.status for visit in refusals} == {303}
    assert (load.status_of(withdrawal), load.receipt_of(withdrawal)) == (303, "")
    expect_served(views)
    expect_proved(file_url, [load.receipt_of(first), *acknowledged(visits)], attempts=601)


def _cookie(answer: bytes) -> str:
    (line,) = (line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie: cmw="))
    return line.partition(b" ")[2].partition(b";")[0].decode()


def test_a_clock_that_goes_back_breaks_nothing(tmp_path: Path, file_url: str) -> None:
    """Grants are accepted and sealed on an earlier day than those before; the chain verifies with either clock."""
    clock = tmp_path / "clock"
    today = int(time.time() // 86_400)
    receipts = []
    _set(clock, 0)
    with serving(tmp_path, site(file_url), environment={"SITE_CLOCK": str(clock)}) as server:
        pages = server.load("pages", pause=0.02)
        with closing(open_records(file_url, site=SITE)) as records:
            for days in (0, -3, 1, -1):
                _set(clock, days * 86_400)
                visits = server.load("grants", count=50, threads=2).rest()
                assert {visit.status for visit in visits} == {303}
                receipts += acknowledged(visits)
                assert seal_new(records, site=SITE, keys=KEYS, today=today + days) == 50
            days_kept = {kept.entry.day - today for kept in records.entries()}
            for day in (today - 3, today + 1):
                found = verify(records, site=SITE, keys=KEYS, today=day, record_days=540)
                assert (found.finding, found.entries) == (None, 200)
        views = pages.stop()
    assert days_kept == {0, -3, 1, -1}
    expect_served(views)
    expect_proved(file_url, receipts, attempts=200, day=today - 3)


def _set(clock: Path, seconds: int) -> None:
    draft = clock.with_suffix(".new")
    draft.write_text(str(seconds), encoding="ascii")
    draft.replace(clock)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_two_that_seal_at_once_make_one_chain(tmp_path: Path, url: str) -> None:
    """While grants come in, two processes seal as fast as they can: each entry is sealed once, in one chain."""
    _seal_at_once(tmp_path, url)


def test_two_that_seal_at_once_make_one_chain_in_a_file(tmp_path: Path, file_url: str) -> None:
    """The same in the embedded store, where the sealers and the grants share one writer."""
    _seal_at_once(tmp_path, file_url)


def _seal_at_once(folder: Path, url: str) -> None:
    with serving(folder, site(url), workers=4) as server:
        command = [sys.executable, "-m", "tests.faults.sealer", url]
        pipe = subprocess.PIPE
        sealers = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
        pages = server.load("pages", pause=0.02)
        visits = server.load("grants", count=200, pause=0.002, threads=2).rest()
        views = pages.stop()
        time.sleep(0.3)
        sealed = [sealer.communicate(timeout=PATIENT)[0].split() for sealer in sealers]
    assert {visit.status for visit in visits} == {303}
    assert [sealer.returncode for sealer in sealers] == [0, 0]
    # The winner of a seal is random, so only both together must have made some; workers may have sealed the rest.
    assert sum(int(seals) for seals, _ in sealed) > 0
    assert sum(int(entries) for _, entries in sealed) <= 200
    expect_served(views)
    expect_proved(url, acknowledged(visits), attempts=200)
