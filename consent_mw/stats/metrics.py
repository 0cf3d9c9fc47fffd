"""
The figures in the text format of Prometheus; needs the extra ``metrics``.

All of them are gauges for one period, computed from published figures. A counter that increases with each answer would
reveal to a scraper when a visitor answered. For the same reason no metric contains the number of records that are
unsealed, spooled or appended, or the number of the last seal: on a quiet site each of these changes with a single
person. The only metrics about the running site are whether its store answers, and the age of the newest figures.
Neither depends on a visit.

The metrics of a process are not figures: the number of waiting items is rounded to a power of ten, and is reported only
while something is wrong. The inventory is not made from figures either, and has its own URL: it counts domains, and
changes with what pages load. On how many pages a service was held or ran is known later, from one page in fifty,
and is rounded to a power of ten as well: one more page on which it ran would be one visitor who had agreed.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from consent_mw.core.counts import power_of_ten
from consent_mw.stats.inventory import STANDINGS
from consent_mw.stats.inventory import Inventory
from consent_mw.stats.rates import Rate
from consent_mw.stats.reports import Report
from consent_mw.stats.schemes import SINGLES

__all__ = ["as_metrics", "inventory_metrics", "process_metrics"]

_DAY = 86_400
#: The columns that partition the visits; users can add them up themselves.
_OUTCOMES = ("accept", "partial", "reject", "unanswered", *SINGLES)


def as_metrics(report: Report) -> tuple[str, str]:
    """
    Return the metrics of a report and their content type.

    Raises:
        ImportError: if ``prometheus_client`` is not installed.
    """
    from prometheus_client import CONTENT_TYPE_LATEST  # the extra "metrics"
    from prometheus_client import CollectorRegistry
    from prometheus_client import Gauge
    from prometheus_client import generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"consent_mw_{name}", text, labels, registry=registry)

    def rates(name: str, text: str, found: Sequence[tuple[tuple[str, ...], Rate | None]], *labels: str) -> None:
        shares = gauge(f"{name}_ratio", text, *labels)
        ends = gauge(f"{name}_ratio_bound", f"{text}: the ends of its 95% interval.", *labels, "bound")
        for values, rate in found:
            if rate is not None:
                (shares.labels(*values) if values else shares).set(rate.share)
                ends.labels(*values, "low").set(rate.low)
                ends.labels(*values, "high").set(rate.high)

    period = report.period
    gauge("store_up", "Whether the store of the records answered.").set(1)
    days = gauge("period_days", "Days of the period that the figures cover.")
    days.set(period.covered.days if period.covered else 0)
    if period.covered:
        newest = gauge("figures_timestamp_seconds", "The end of the last day that the figures cover, UTC.")
        newest.set((period.covered.last + 1) * _DAY)
    visits = gauge("visits", "Visits of the period by how they ended, and page views with the banner.", "outcome")
    for outcome in _OUTCOMES:
        if outcome in period.totals:
            visits.labels(outcome).set(period.totals[outcome].count)
    consent = [(("answers",), period.answers), (("visits",), period.visits)]
    rates("consent", "Share that granted something, of answers and of visits asked", consent, "of")
    rates("answered", "Share of visits asked that answered", [((), period.reached)])
    purposes = [((purpose.id,), purpose.answers) for purpose in period.purposes]
    rates("purpose", "Share of answers that granted a purpose", purposes, "purpose")
    rows = gauge("row_visits", "Visits of one row of a table, by outcome.", "table", "value", "outcome")
    for table in report.tables:
        for row in table.rows:
            for column, number in row.counts.items():
                rows.labels(table.name, row.value, column).set(number)
    if report.marks:
        changed = gauge("notice_changed_timestamp_seconds", "The day of the period's last change of the notice, UTC.")
        changed.set(report.marks[-1].first * _DAY)
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


def process_metrics(values: Mapping[str, tuple[str, float | None]]) -> tuple[str, str]:
    """
    Return the metrics of a running process and their content type.

    Args:
        values: Description and value by name; a value of None omits the metric.

    Raises:
        ImportError: if ``prometheus_client`` is not installed.
    """
    from prometheus_client import CONTENT_TYPE_LATEST  # the extra "metrics"
    from prometheus_client import CollectorRegistry
    from prometheus_client import Gauge
    from prometheus_client import generate_latest

    registry = CollectorRegistry()
    for name, (text, value) in values.items():
        if value is not None:
            Gauge(f"consent_mw_{name}", text, registry=registry).set(value)
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


def inventory_metrics(things: Inventory, newest: int) -> tuple[str, str]:
    """
    Return the metrics of the inventory and their content type.

    Args:
        things: The inventory.
        newest: Domains first seen on this day or later count as new.

    Raises:
        ImportError: if ``prometheus_client`` is not installed.
    """
    from prometheus_client import CONTENT_TYPE_LATEST  # the extra "metrics"
    from prometheus_client import CollectorRegistry
    from prometheus_client import Gauge
    from prometheus_client import generate_latest

    registry = CollectorRegistry()
    what = "Domains that the site's pages load from, by what is thought of them"
    domains = Gauge("consent_mw_inventory_domains", f"{what}.", ["standing"], registry=registry)
    new = Gauge("consent_mw_inventory_new_domains", f"{what}: first seen lately.", ["standing"], registry=registry)
    for standing in STANDINGS:
        first = [one.first for one in things.loaded if one.domain and one.standing == standing and not one.gone]
        domains.labels(standing).set(len(first))
        new.labels(standing).set(sum(day >= newest for day in first))
    what = "Inspected pages (one in fifty) on which a service was held or ran, rounded down to a power of ten."
    pages = Gauge("consent_mw_inventory_service_pages", what, ["service", "outcome"], registry=registry)
    for (service, is_held), number in sorted(things.outcomes.items()):
        pages.labels(service, "held" if is_held else "ran").set(power_of_ten(number))
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST
