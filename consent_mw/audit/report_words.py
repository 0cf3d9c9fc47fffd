"""The sentences that the forms of an audit's report have in common."""

from __future__ import annotations

from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import Reached
from consent_mw.audit.findings import SeenPlace
from consent_mw.audit.findings import reached
from consent_mw.audit.passes import PASSES
from consent_mw.audit.passes import UNTOUCHED

__all__ = ["count", "limits_of", "place_of", "summary_of", "times"]

_LIMITS = (
    "An audit reads what the server sends. It does not run scripts, so it does not see what an allowed script loads in"
    " turn (--browser does). It shows what is, and judges no law."
)
_LIMITS_BROWSER = (
    "A browser was let reach the site and the allowed hosts alone: what others would load in turn is not seen. Each"
    " page was looked at for some seconds. This shows what is, and judges no law."
)


def summary_of(report: AuditReport) -> list[str]:
    """Return the result in sentences."""
    if not report.looked:
        return ["No page could be read."]
    pages = next((report.pages[name] for name in PASSES if report.pages.get(name)), 0)
    held, loading = sum(report.held.values()), sum(report.loading.values())
    lines = [f"{count(pages, 'page')}, seen {', '.join(name for name in PASSES if name in report.pages)}."]
    if report.before is not None:
        lines += _compared(report.before, reached(report))
    if report.wrapped:
        lines.append(
            f"Before a choice {count(held + loading, 'element')} would reach others ({held:,} held, {loading:,} load)."
        )
    else:
        lines.append(
            f"There is no notice of consent_mw. Elements that reach others before a choice: {loading:,};"
            f" consent_mw with this configuration would hold {report.would_hold:,} of them."
        )
    if seen := _in_browser(report):
        lines.append(seen)
    if not report.open:
        lines.append("OK: nothing was found that is not accepted.")
    return lines


def _compared(before: Reached, now: Reached) -> list[str]:
    """Return sentences that compare what the site loads before a choice without and with consent_mw."""
    lines = [f"{before.elements:,} before, {now.elements:,} now: elements that load from others before a choice."]
    if before.requests or now.requests:
        lines.append(
            f"Without consent_mw, a browser sends {_reach(before)} before a choice."
            f" With consent_mw, it sends {_reach(now)}."
        )
    return lines


def _reach(reached: Reached) -> str:
    """Return what a browser sends and keeps, as the end of a sentence."""
    asked = f"{count(reached.requests, 'request')} to {count(reached.hosts, 'other host')}"
    kept = f"keeps {count(reached.cookies, 'cookie')}" if reached.cookies else "keeps no cookie"
    return f"{asked if reached.requests else 'no request to another host'} and {kept}"


def count(number: int, one: str) -> str:
    """Return a number with its noun, in the plural if need be."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def _in_browser(report: AuditReport) -> str:
    """Return a sentence about what the browser did for visitors who had not chosen."""
    views = [view for view in report.browser if view.name == UNTOUCHED]
    if not views:
        return ""
    hosts = {request.host for view in views for request in view.requests if request.is_third}
    kept = {(item.kind, item.name) for view in views for item in view.kept}
    cookies = sum(kind == "cookie" for kind, _ in kept)
    asked = count(sum(len(view.requests) for view in views), "request")
    third = f", to {count(len(hosts), 'other host')}" if hosts else ", all to the site itself"
    stored = [
        count(number, one) for number, one in ((cookies, "cookie"), (len(kept) - cookies, "other thing")) if number
    ]
    return (
        f"In a browser these pages made {asked} before a choice{third}, and kept {' and '.join(stored) or 'nothing'}."
    )


def limits_of(report: AuditReport) -> str:
    """Return what an audit of this kind does not see."""
    return _LIMITS_BROWSER if report.browser else _LIMITS


def place_of(place: SeenPlace) -> str:
    """Return a page with line and column, if they are known."""
    return f"{place.path}:{place.line}:{place.column}" if place.line else place.path


def times(number: int) -> str:
    """Return how often something was seen."""
    return "once" if number == 1 else f"{number:,} times"
