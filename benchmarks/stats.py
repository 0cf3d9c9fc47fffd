"""
The owner's page for three years with a growing number of answers: from the store's file to the report and the page.

Each report is read from a newly opened store. The first page is the first one of a process, which reads all figures and
imports what it needs. The later pages come from one process, as on a running site. The table shows the elapsed time and
the processor time, which varies less on a busy machine.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from consent_mw import stats
from consent_mw.config import load
from consent_mw.core.counts import Count
from consent_mw.core.model import Site
from consent_mw.core.model import StatsAccess
from consent_mw.records import open_records
from consent_mw.stats import demo
from consent_mw.stats import publish_due

#: Goals for the first page of a process and for later ones, in milliseconds of processor time.
FIRST_GOAL = 60.0
GOAL = 30.0
#: The factor by which a page may be slower with ten times the answers.
FLAT = 1.2
#: The number of processes to start for the first page.
_PROCESSES = 5
HEAD = (
    "answers",
    "published runs",
    "report, ms",
    "processor, ms",
    "first page, ms",
    "processor, ms",
    "later page, ms",
    "processor, ms",
)
SIZES = (10_000, 1_000_000, 10_000_000)
DAYS = 1096
PERIOD = "3y"
#: The visits per day that are generated; for larger sites they are multiplied.
_MADE = 400
_PURPOSES = ("preferences", "analytics", "embeds", "marketing")
#: The approximate answers per visit, adjusted for the growth over three years.
_ANSWERED = 0.58 * 0.8


@dataclass(frozen=True, slots=True)
class Read:
    """Times for a report and a page, in milliseconds: (elapsed, processor)."""

    answers: int
    runs: int
    report: tuple[float, float]
    first: tuple[float, float]
    page: tuple[float, float]


def fill(url: str, answers: int, today: int, days: int = DAYS) -> tuple[int, int]:
    """Fill a store with the days before today; return its number of answers and of published runs."""
    daily = answers / days / _ANSWERED
    times = max(1, round(daily / _MADE))
    store = open_records(url)
    counted = 0
    made = demo.visits(
        today - days, today - 1, purposes=_PURPOSES, languages=("en", "de", "fr"), daily=round(daily / times)
    )
    for days_together in demo.in_batches(made):
        several = {count: number * times for count, number in days_together.items()}
        counted += _answers(several.items())
        store.add_counts(several)
    runs = publish_due(store, today=today)
    store.close()
    return counted, runs


def _answers(counts: Iterable[tuple[Count, int]]) -> int:
    return sum(n for count, n in counts if not count.table and count.outcome in {"accept", "partial", "reject"})


def _timed(act: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median elapsed time and processor time of ``act``, in milliseconds."""
    waited, worked = [], []
    for _ in range(rounds):
        begun, busy = time.perf_counter(), time.process_time()
        act()
        waited.append(1e3 * (time.perf_counter() - begun))
        worked.append(1e3 * (time.process_time() - busy))
    return median(waited), median(worked)


def _report(url: str, today: int) -> None:
    store = open_records(url)
    try:
        first, last = stats.chosen(today, preset=PERIOD)
        found = stats.report(store.figures(stats.first_needed(first, last), last), first=first, last=last)
        assert found.period.covered
    finally:
        store.close()


def _site(url: str) -> Site:
    site = load({"site": {"name": "Bench", "records": url}}).__dict__
    return Site(**{**site, "stats": StatsAccess(check=lambda environ: True)})


def _page(application: Any) -> None:
    """Request the page as a server does."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/_cmw/stats",
        "QUERY_STRING": f"period={PERIOD}",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "HTTP_HOST": "localhost",
    }
    body = application(environ, lambda line, headers, error=None: status.append(line))
    written = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    assert status[0].startswith("200"), status
    assert b"<svg" in written


def _first(url: str) -> tuple[float, float]:
    """Return the median elapsed time and processor time of a process's first page, in milliseconds."""
    command = [sys.executable, "-m", "benchmarks.stats", url]
    seen = []
    # Skip the first process, which compiles the templates for the others.
    for _ in range(_PROCESSES + 1):
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
        seen.append([float(part) for part in said.split()])
    return median(each[0] for each in seen[1:]), median(each[1] for each in seen[1:])


def _show_first(url: str) -> tuple[float, float]:
    from consent_mw.engine import Engine

    engine = Engine(_site(url), open_records(url), (secrets.token_urlsafe(32),))
    try:
        return _timed(lambda: _page(engine.web), 1)
    finally:
        engine.close()


def measure(rounds: int = 15, sizes: Sequence[int] = SIZES) -> list[Read]:
    """Measure each size."""
    from consent_mw.engine import Engine

    today = int(time.time() // 86_400)
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder)}/bench.db"
            answers, runs = fill(url, size, today)
            reports = _timed(lambda url=url: _report(url, today), rounds)  # type: ignore[misc]
            engine = Engine(_site(url), open_records(url), (secrets.token_urlsafe(32),))
            try:
                _page(engine.web)  # the first page reads all figures
                pages = _timed(lambda engine=engine: _page(engine.web), rounds)  # type: ignore[misc]
            finally:
                engine.close()
            found.append(Read(answers, runs, reports, _first(url), pages))
    return found


def rows(results: Sequence[Read]) -> list[list[str]]:
    """Return the rows of the table."""
    return [
        [f"{each.answers:,}", f"{each.runs:,}", *(f"{value:.1f}" for value in (*each.report, *each.first, *each.page))]
        for each in results
    ]


def goals(results: Sequence[Read]) -> list[str]:
    """Return a line for each goal."""
    lines = []
    for what, goal, times in (
        ("the first page of a process", FIRST_GOAL, [each.first[1] for each in results]),
        ("a later page", GOAL, [each.page[1] for each in results]),
    ):
        verdict = "reached" if max(times) < goal else "NOT reached"
        lines.append(f"{what}: at most {max(times):.1f} ms of processor (goal: under {goal:.0f} ms, {verdict})")
    if len(results) > 1:
        before, after = results[-2], results[-1]
        ratio = after.page[1] / before.page[1]
        flat = "reached" if ratio < FLAT else "NOT reached"
        lines.append(
            f"{after.answers:,} answers take {ratio:.2f} of the processor time of {before.answers:,} "
            f"(goal: under {FLAT}, {flat})"
        )
    return lines


if __name__ == "__main__":
    print(*_show_first(sys.argv[1]))
