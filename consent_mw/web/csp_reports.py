"""
POST /csp: browsers report what a Content-Security-Policy blocked. Hosts are counted per day; nothing else is stored.

Two formats are accepted: ``application/csp-report``, sent at once, and ``application/reports+json`` of the Reporting
API, sent in batches.

- Only the blocked host of a report is read, and reduced to a name that may be stored
  (:mod:`consent_mw.web.reported_hosts`).
- Reports from other sites are refused.
- The size of a body, its reports, the reports of one client and the hosts of a day are limited. Anyone can post
  reports, so the counts are hints and not measurements.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping

from flask import Flask
from flask import Response
from flask import request

from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.web.context import WebContext
from consent_mw.web.form import Origin
from consent_mw.web.form import origin_of
from consent_mw.web.limits import ClientLimit
from consent_mw.web.reported_hosts import countable
from consent_mw.web.reported_hosts import is_host
from consent_mw.web.visit import Refused
from consent_mw.web.visit import remote
from consent_mw.web.visit import visit_of

#: The largest body, in bytes; a batch of reports is longer than a form.
REPORT_LIMIT = 65_536
#: The most bodies that one client may post in an hour.
REPORTS_AN_HOUR = 600
#: The most reports of one body that are read.
_MOST_REPORTS = 50

_REPORT = "application/csp-report"
_BATCH = "application/reports+json"

_WEB = frozenset({"http", "https", "ws", "wss"})
_NOWHERE = Url("", "", "")


def register(app: Flask, context: WebContext) -> None:
    """Add the route to the application; it answers 404 unless the site asks for reports."""
    limit = ClientLimit()

    @app.post("/csp")
    def csp() -> Response:
        visit = visit_of(context)
        if not visit.site.csp_reports:
            raise Refused(404)
        if request.mimetype not in (_REPORT, _BATCH):
            raise Refused(415)
        if origin_of(visit.head) is Origin.FOREIGN:
            raise Refused(403)
        proxies = visit.site.trusted_proxies
        if not limit.allows(remote(), visit.head, proxies=proxies, an_hour=REPORTS_AN_HOUR, what="reports"):
            raise Refused(429)
        request.max_content_length = REPORT_LIMIT
        hosts = countable(blocked_hosts(request.get_data(cache=False)), visit)
        if hosts and context.counting is not None:
            context.counting.blocked(visit.head, hosts)
        return Response(status=204)


def blocked_hosts(body: bytes) -> set[str]:
    """Return the blocked hosts in the reports of a body; never raises."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return set()
    hosts = set()
    for address in _addresses(found):
        url = resolve(address[:2000], _NOWHERE)
        if url.scheme in _WEB and is_host(url.host):
            hosts.add(url.host)
    return hosts


def _addresses(found: object) -> Iterator[str]:
    """Yield the blocked URL of each report, or a keyword such as ``inline``."""
    reports = found[:_MOST_REPORTS] if isinstance(found, list) else [found]
    for report in reports:
        if not isinstance(report, Mapping):
            continue
        # https://www.w3.org/TR/CSP3/#deprecated-serialize-violation and #reporting
        for part, name in (("csp-report", "blocked-uri"), ("body", "blockedURL")):
            inner = report.get(part)
            if part == "body" and report.get("type") != "csp-violation":
                continue
            address = inner.get(name) if isinstance(inner, Mapping) else None
            if isinstance(address, str):
                yield address
