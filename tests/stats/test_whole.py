"""From a page view to the page: what is counted, published and said, in one go."""

from __future__ import annotations

import pytest

from benchmarks import stats as benchmark
from consent_mw import stats
from consent_mw.core.counts import BannerShown
from consent_mw.core.model import Site
from consent_mw.counting.tally import Tally
from consent_mw.http.request import RequestHead
from consent_mw.records import open_records
from tests.stats.memory import MemoryCounters

DAY = 20_500
#: Days of the long run: more than a year.
LONG = 400
VISIT = RequestHead(
    "GET", "https", "shop.example", "/", "", (("user-agent", "Firefox/128.0"), ("sec-fetch-site", "none"))
)


def visits(store: MemoryCounters, day: int, revision: str) -> None:
    """Count a day of visits as a process of the site does."""
    tally = Tally(store, Site(), clock=lambda: day * 86_400 + 43_200)
    for _ in range(150):
        tally.shown(VISIT, "", BannerShown("en", "bar", False, revision))
    for outcome, number in (("accept", 40), ("partial", 20), ("reject", 30)):
        for at in range(number):
            purposes = {"accept": ("analytics", "embeds"), "partial": (("analytics", "embeds")[at % 2],)}.get(
                outcome, ()
            )
            tally.answered(VISIT, "", outcome, purposes, BannerShown("en", "bar", False))
    tally.close()


def test_what_is_counted_is_said() -> None:
    """Visits and answers of two weeks are the figures of the report, and the new notice is marked."""
    store = MemoryCounters()
    for day in range(DAY, DAY + 14):
        visits(store, day, "old" if day < DAY + 10 else "new")
    stats.publish_due(store, today=DAY + 14)
    found = stats.report(store.figures(0, DAY + 14), first=DAY, last=DAY + 13)
    assert found.period.totals["asked"] == stats.Total(14 * 150, 14)
    assert found.period.answers == stats.wilson(14 * 60, 14 * 90)
    assert {each.id: each.answers for each in found.period.purposes} == dict.fromkeys(
        ("analytics", "embeds"), stats.wilson(14 * 50, 14 * 90)
    )
    assert [(mark.first, mark.revision) for mark in found.marks] == [(DAY + 10, "new")]
    (browsers,) = [table for table in found.tables if table.name == "browser"]
    assert [row.value for row in browsers.rows] == ["firefox"]


@pytest.mark.slow
def test_figures_do_not_grow_with_answers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A hundred times the answers make no more runs than a site has days, weeks and tables: a page takes as long."""
    sizes = []
    for answers in (1_000_000, 100_000_000):
        url = f"sqlite:///{tmp_path_factory.mktemp('store')}/consent.db"
        counted, runs = benchmark.fill(url, answers, DAY, LONG)
        store = open_records(url)
        cells = sum(len(run.cells) for run in store.figures(0, DAY))
        store.close()
        assert 0.8 * answers < counted < 1.25 * answers
        sizes.append((runs, cells))
    assert sizes[1][0] < 1.25 * sizes[0][0]
    assert sizes[1][1] < 1.25 * sizes[0][1]
