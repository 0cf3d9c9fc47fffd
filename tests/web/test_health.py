"""GET /health: whether this process serves, and whether it can record a grant."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from consent_mw.errors import RecordsError
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.sqlite import SqliteRecords
from consent_mw.web import health as health_module
from consent_mw.web.health import KEPT
from consent_mw.web.health import Health
from tests.records.samples import a_grant
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor


class Remote(SqliteRecords):
    """A store on another machine, with a clock of its own; it can be told to fail."""

    seconds: float | None = None
    failing = False
    frozen: Event | None = None

    def clock(self) -> float | None:
        if self.frozen is not None:
            self.frozen.wait(30)
        if self.failing:
            raise RecordsError("postgresql://user:secret@db.example does not answer")
        return self.seconds


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """Return a store that stands for one on another machine."""
    return Remote(str(tmp_path / "remote.db"), site=SITE.id)


def asked(context: FakeContext) -> tuple[int, dict[str, Any]]:
    """Return the answer to somebody who asks."""
    answer = Visitor(context).get("/health")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.get_json()


def test_a_site_on_its_own_file_is_ready() -> None:
    """An embedded store needs no spool, and has no clock to compare with."""
    assert asked(FakeContext()) == (
        200,
        {"live": True, "ready": True, "store": "up", "spool": "none", "clock": "alone", "problems": []},
    )


def test_a_store_that_fails_is_told_without_its_words(remote: Remote) -> None:
    """Nobody learns from the answer where the store is; the process is live, and not ready."""
    context = FakeContext()
    context.records, remote.failing = remote, True
    status, found = asked(context)
    assert (status, found["live"], found["ready"], found["store"]) == (503, True, False, "down")
    assert "secret" not in str(found)
    assert "db.example" not in str(found)


def test_with_a_spool_the_site_stays_ready(remote: Remote, tmp_path: Path) -> None:
    """Grants wait in the spool while the store is away, and the answer says so."""
    context = FakeContext()
    context.records = spooled = SpooledRecords(remote, str(tmp_path / "spool.db"), site=SITE.id)
    assert asked(context)[1]["spool"] == "empty"
    remote.failing = True
    spooled._spool.append(a_grant())
    status, found = asked(context)
    assert (status, found["ready"], found["store"], found["spool"]) == (200, True, "down", "waiting")
    assert "wait in the spool" in found["problems"][0]


@pytest.mark.parametrize(("ahead", "clock"), [(0.0, "agrees"), (-500.0, "agrees"), (86_400.0, "differs")])
def test_a_clock_that_differs_is_a_problem(remote: Remote, ahead: float, clock: str) -> None:
    """The site serves on, and nothing is purged or published."""
    context = FakeContext()
    context.records, remote.seconds = remote, context.seconds - ahead
    status, found = asked(context)
    assert (status, found["clock"], len(found["problems"])) == (200, clock, int(clock == "differs"))


def test_the_store_is_asked_at_most_every_two_seconds(remote: Remote) -> None:
    """Whoever calls without end costs the store nothing."""
    context, now = FakeContext(), [0.0]
    context.records = remote
    health = Health(context, lambda: now[0])
    assert health.report()["store"] == "up"
    remote.failing = True
    assert health.report()["store"] == "up"
    now[0] += KEPT
    assert health.report()["store"] == "down"


def test_a_store_that_is_frozen_is_down_at_once(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer does not wait for the time limits of the store's client, and is true again when the store is."""
    monkeypatch.setattr(health_module, "PATIENCE", 0.05)
    context, now = FakeContext(), [0.0]
    context.records = spooled = SpooledRecords(remote, str(tmp_path / "spool.db"), site=SITE.id)
    health = Health(context, lambda: now[0])
    remote.frozen = Event()
    assert (health.report()["store"], health.measure().store) == ("down", False)
    now[0] += KEPT
    assert health.report()["store"] == "down"
    remote.frozen.set()
    until = time.monotonic() + 30
    while spooled._breaker.late and time.monotonic() < until:
        pass
    monkeypatch.setattr(health_module, "SHORT_PATIENCE", 30.0)
    now[0] += KEPT
    assert health.report()["store"] == "up"
