"""GET /metrics/health: what the owner's monitoring reads of a process, also while its store is away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.model import StatsAccess
from consent_mw.errors import RecordsError
from consent_mw.proof.lost import LostRecords
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.sqlite import SqliteRecords
from tests.records.samples import a_grant
from tests.records.samples import seal_all
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.stats.owner import ACCESS
from tests.web.stats.owner import machine
from tests.web.stats.owner import owner


class Remote(SqliteRecords):
    """A store on another machine, which can be taken away."""

    ahead = 0.0
    away = False

    def last_seal(self) -> None:
        if self.away:
            raise RecordsError("postgresql://user:secret@db.example does not answer")

    def clock(self) -> float:
        return FakeContext().seconds - self.ahead

    def faults(self) -> list[str]:
        return ["It forgets."]


def shown(browser: Visitor) -> dict[str, float]:
    """Return the metrics by their names."""
    lines = machine(browser, "/metrics/health").text.splitlines()
    pairs = (line.split(" ") for line in lines if not line.startswith("#"))
    return {name.removeprefix("consent_mw_"): float(value) for name, value in pairs}


def browser_of(folder: Path) -> tuple[Visitor, Remote, SpooledRecords]:
    """Return the owner's program, a store and the records with a spool before it."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    remote = Remote(str(folder / "remote.db"), site=SITE.id)
    spooled = SpooledRecords(remote, str(folder / "spool.db"), site=SITE.id)
    context.records = spooled
    return Visitor(context, scheme="https", host="shop.example"), remote, spooled


def test_a_store_that_works_shows_its_clock_and_its_faults(tmp_path: Path) -> None:
    """Every number that is not about visitors; nothing waits."""
    browser, remote, _ = browser_of(tmp_path)
    remote.ahead = 90
    assert shown(browser) == {
        "ready": 1, "store_answers": 1, "spool_usable": 1, "spool_entries": 0, "spool_oldest_days": 0,
        "clock_ahead_seconds": 90, "store_faults": 1, "seals_behind": 0, "records_written_again": 0,
        "purge_behind": 0, "spool_replayed": 0, "grants_refused": 0,
    }  # fmt: skip


def test_a_store_that_is_away_is_shown_with_what_waits(tmp_path: Path) -> None:
    """The process is ready, since its spool takes grants; their number is told by its power of ten."""
    browser, remote, spooled = browser_of(tmp_path)
    remote.away = True
    for number in range(12):
        spooled._spool.append(a_grant(f"{number}", site=SITE.id, day=FakeContext().today() - 3))
    found = shown(browser)
    assert (found["ready"], found["store_answers"], found["spool_entries"], found["spool_oldest_days"]) == (1, 0, 10, 3)
    assert "clock_ahead_seconds" not in found


def test_records_that_were_lost_and_written_again_are_shown(tmp_path: Path) -> None:
    """By the power of ten of their number, and only those that the store lacked."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    context.records = SqliteRecords(str(tmp_path / "lost.db"), site=SITE.id)
    context.lost = LostRecords(SITE, context.records, ("k" * 40,), context.today)
    browser = Visitor(context, scheme="https", host="shop.example")
    kept = Record(Action.ACCEPT, context.today(), SITE.revision, receipt="r-0")
    for number in range(12):
        assert context.lost.write_again(replace(kept, receipt=f"r-{number}"), SITE.revision)
    assert not context.lost.write_again(kept, SITE.revision)
    assert shown(browser)["records_written_again"] == 10


def test_what_went_from_the_spool_to_the_store_is_shown(tmp_path: Path) -> None:
    """By the power of ten of the entries that this process has sent."""
    browser, remote, spooled = browser_of(tmp_path)
    for number in range(12):
        spooled._spool.append(a_grant(f"{number}", site=SITE.id))
    assert spooled.replay() == 12
    found = shown(browser)
    assert (found["spool_replayed"], found["spool_entries"]) == (10, 0)


def test_grants_that_were_refused_are_shown(tmp_path: Path) -> None:
    """Only those that could not be recorded."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    browser = Visitor(context, scheme="https", host="shop.example")
    assert browser.post(("action", "accept-all")).status_code == 303
    context.records.failing = True
    for _ in range(3):
        assert browser.post(("action", "accept-all")).status_code == 503
    context.records = SqliteRecords(str(tmp_path / "works.db"), site=SITE.id)
    assert shown(browser)["grants_refused"] == 1


def test_entries_that_stay_too_long_are_shown(tmp_path: Path) -> None:
    """A week after their retention was over something keeps the purge from dropping them; asked once an hour."""
    context = FakeContext(replace(SITE, stats=ACCESS))
    context.records = store = SqliteRecords(str(tmp_path / "old.db"), site=SITE.id)
    store.append(a_grant("old", site=SITE.id, day=context.today()))
    seal_all(store, context.today(), SITE.id)
    for later, behind in ((0, 0), (SITE.record_days + 7, 0), (SITE.record_days + 8, 1)):
        context.day += later
        assert shown(Visitor(context, scheme="https", host="shop.example"))["purge_behind"] == behind
        context.day -= later


def test_the_usual_time_of_rewriting_is_shown(tmp_path: Path) -> None:
    """Once enough pages were measured; an outlier changes nothing, and neither does one more page."""
    browser, _, _ = browser_of(tmp_path)
    durations = browser.context.durations
    assert [number for number in range(45) if durations.due()] == [0, 20, 40]
    for seconds in (0.00041, 0.00038, 5.0, 0.00042):
        durations.add(seconds)
    assert "rewriting_seconds" not in shown(browser)
    durations.add(0.0004)
    assert shown(browser)["rewriting_seconds"] == 0.0004
    durations.add(0.00043)
    assert shown(browser)["rewriting_seconds"] == 0.0004


def test_only_the_owners_programs_see_it() -> None:
    """As with the other metrics: without the token there is nothing at the address."""
    assert owner().get("/metrics/health").status_code == 404
    assert machine(owner(access=StatsAccess()), "/metrics/health").status_code == 404
