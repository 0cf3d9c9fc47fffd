"""JSON, CSV, metrics and the terminal give the figures of the report, and nothing that is not in it."""

from __future__ import annotations

import csv
import io
import json
from functools import cache

import pytest

from consent_mw.core.counts import Figures
from consent_mw.stats import TABLES
from consent_mw.stats import Report
from consent_mw.stats import as_csv
from consent_mw.stats import as_json
from consent_mw.stats import demo
from consent_mw.stats import publish_due
from consent_mw.stats import report
from consent_mw.stats.metrics import as_metrics
from consent_mw.stats.terminal import TerminalStyle
from consent_mw.stats.terminal import draw
from tests.stats.memory import MemoryCounters

TODAY = 20_779


@cache
def made(days: int, daily: int = 800) -> Report:
    """Return the report of made-up days."""
    store = MemoryCounters()
    for each in demo.visits(
        TODAY - days,
        TODAY - 1,
        purposes=("analytics", "embeds", "marketing", "preferences"),
        languages=("en", "de"),
        daily=daily,
    ):
        store.add_counts(each)
    publish_due(store, today=TODAY)
    return report(store.figures(0, TODAY), first=TODAY - days, last=TODAY - 1)


REPORTS = pytest.mark.parametrize("found", [60, 0, 1], ids=["full", "empty", "one day"], indirect=True)


@pytest.fixture
def found(request: pytest.FixtureRequest) -> Report:
    """Return the report of so many days."""
    return made(request.param)


def read(text: str) -> list[list[str]]:
    """Return the lines of a CSV."""
    return list(csv.reader(io.StringIO(text)))


@REPORTS
@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_csv_with_a_head(found: Report, table: str) -> None:
    """Each table has a head line, and lines of the same width, whether there are figures or not."""
    head, *lines = read(as_csv(found, table))
    assert head[0] and len(set(head)) == len(head)
    assert {len(line) for line in lines} <= {len(head)}


@REPORTS
def test_the_report_is_json(found: Report) -> None:
    """The document survives being written and read, and says what it is and how small a cell may be."""
    document = as_json(found)
    assert json.loads(json.dumps(document)) == document
    assert (document["format"], document["smallest_cell"]) == ("consent_mw.stats.v1", 10)


def test_csv_and_json_give_the_same_numbers() -> None:
    """The rows of a table are the same in both."""
    document = json.loads(json.dumps(as_json(made(60))))
    head, *lines = read(as_csv(made(60), "browser"))
    rows = document["tables"]["browser"]["rows"]
    assert rows
    assert [line[0] for line in lines] == [row["value"] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        cells = dict(zip(head, line, strict=True))
        assert {name: int(cells[name]) for name in row["counts"]} == row["counts"]
        assert float(cells["answers_low"]) == row["answers"]["low"]


def test_an_unknown_table_is_an_error() -> None:
    """There is no table but those that are listed."""
    with pytest.raises(KeyError):
        as_csv(made(60), "revision")


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(start: str) -> None:
    """A provider whose name would be a formula in a spreadsheet is text there."""
    isp = Figures("isp", 100, 106, {(f"{start}1+1", "granted"): 20})
    text = as_csv(report([isp], first=100, last=106), "isp")
    assert read(text)[1][0] == f"'{start}1+1"


# -- metrics


@REPORTS
def test_metrics_are_what_prometheus_reads(found: Report) -> None:
    """A parser of the format reads them, and finds the totals of the report."""
    from prometheus_client.parser import text_string_to_metric_families

    text, kind = as_metrics(found)
    assert kind.startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    visits = {sample.labels["outcome"]: sample.value for sample in families["consent_mw_visits"].samples}
    assert visits == {name: found.period.totals[name].count for name in visits}
    assert families["consent_mw_store_up"].samples[0].value == 1


def test_metrics_have_the_rates_with_their_intervals() -> None:
    """Each rate stands beside the two ends of its interval."""
    text, _ = as_metrics(made(60))
    rate = made(60).period.answers
    assert rate is not None
    assert f'consent_mw_consent_ratio{{of="answers"}} {rate.share}' in text
    assert f'consent_mw_consent_ratio_bound{{bound="low",of="answers"}} {rate.low}' in text


def test_metrics_have_no_counter() -> None:
    """All are gauges over a period: a counter would go up when somebody answers."""
    text, _ = as_metrics(made(60))
    assert {line.split()[-1] for line in text.splitlines() if line.startswith("# TYPE")} == {"gauge"}


# -- the terminal


@REPORTS
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("width", [1, 20, 39, 60, 80, 132, 500])
def test_a_report_fits_the_terminal(found: Report, width: int, ascii: bool) -> None:
    """No line is wider than the terminal where it has forty columns, nor than 100 columns ever."""
    text = draw(found, TerminalStyle(width=width, ascii=ascii), name="Shop")
    assert max(map(len, text.splitlines())) <= max(58, min(width, 100))
    assert text.isascii() or not ascii


def test_the_terminal_shows_the_figures_of_the_report() -> None:
    """The totals and the rates of rows are those of the report, and styles change no letter."""
    text = draw(made(60), TerminalStyle(width=90), name="Shop")
    assert f"{made(60).period.totals['asked'].count:,} visits were asked" in text
    (browsers,) = [table for table in made(60).tables if table.name == "browser"]
    assert all(row.value in text or row.value == "other" for row in browsers.rows)
    styled = draw(made(60), TerminalStyle(width=90, styled=lambda each, _: f"\x1b[1m{each}\x1b[0m"), name="Shop")
    assert [
        line.rstrip() for line in styled.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    ] == text.splitlines()


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, ""), (0.5, "████"), (1.0, "████████"), (2.0, "████████"), (-1.0, ""), (0.0625, "▌")]
)
def test_a_bar_is_as_long_as_its_share(share: float, bar: str) -> None:
    """Bars are drawn in eighths of a column, and keep within their width."""
    assert TerminalStyle().bar(share, 8) == bar.ljust(8)


# -- made-up visits


def test_a_demonstration_is_the_same_each_time() -> None:
    """A seed gives the same visits, and another one others."""
    days = {"first": TODAY - 3, "last": TODAY - 1, "daily": 100}
    one, same, other = (
        list(demo.visits(**days, purposes=("a", "b"), languages=("en",), seed=seed)) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_a_demonstration_has_a_week_and_a_change_of_the_notice() -> None:
    """Weekends are quieter, the notice changes past the middle, and fewer accept after it."""
    assert [mark.revision for mark in made(60).marks] != []
    assert made(60).since[""].change.certain and made(60).since[""].change.points < 0
    by_day = {(point.last + 3) % 7: [] for point in made(60).line}  # type: ignore[var-annotated]
    for point in made(60).line:
        by_day[(point.last + 3) % 7].append(point.totals["asked"])
    assert sum(by_day[1]) / len(by_day[1]) > 1.1 * sum(by_day[5]) / len(by_day[5])
    assert all(table.rows for table in made(60).tables)
