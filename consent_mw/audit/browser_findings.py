"""
Adds a browser's observations to a report: requests and cookies that markup does not show, and faults of the notice.

If the markup already led to a finding, the observation becomes evidence for it, not a second finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from consent_mw.audit import passes
from consent_mw.audit.browser import NO_SCRIPTS
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.browser_views import LiveRequest
from consent_mw.audit.browser_views import ShownRequest
from consent_mw.audit.browser_views import ShownView
from consent_mw.audit.findings import FIRING
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import SeenPlace
from consent_mw.audit.findings import aliased
from consent_mw.audit.findings import finding_id
from consent_mw.audit.findings import in_order
from consent_mw.audit.findings import merge
from consent_mw.audit.findings import outlives
from consent_mw.audit.findings import own_service_lines
from consent_mw.audit.findings import remedy_for
from consent_mw.audit.findings import undeclared
from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import NoticeLook
from consent_mw.audit.other_tools import OTHER_TOOLS
from consent_mw.audit.pages import Reader
from consent_mw.core.model import MARKETING
from consent_mw.core.model import Service
from consent_mw.html.urls import site_of
from consent_mw.http.tracker_cookies import is_own

__all__ = ["ToldConsent", "add_browser", "consent_on_the_wire"]

#: The markup that belongs to each kind of request, to match requests with findings from markup.
_ELEMENTS = ("script", "img", "iframe", "link", "image", "object", "embed", "style", "video", "audio", "source")
#: The kinds of findings about something that reaches a third party.
_FIRES = ("first-party-tracker", *FIRING.values())
#: Parameters that identify a vendor's hit on any host and path, with the service.
_WIRE_SIGNS = (
    (re.compile(r"(?:^|[?&])tid=(?:G-|UA-)[A-Z0-9]{4}", re.IGNORECASE), "google-analytics"),
    (re.compile(r"(?:^|[?&])tid=(?:AW-|DC-)[A-Z0-9]{4}", re.IGNORECASE), "google-ads"),
    (re.compile(r"(?:^|[?&])ev=PageView(?:&|$).*(?:^|[?&])(?:id|fbp)="), "meta-pixel"),
    (re.compile(r"(?:^|[?&])idsite=\d+(?:&|$).*(?:^|[?&])_id=[0-9a-f]{16}"), "matomo"),
)
#: Google's signals in requests with our purpose for each; gcd has one letter for each, in this order.
_GOOGLE = (("ad_storage", MARKETING), ("analytics_storage", "analytics"))
_GCS = re.compile(r"G1([01-])([01-])")
_GCD_LETTER = re.compile(r"[a-z]")
_GCD_GRANTED, _GCD_DENIED = frozenset("tnrv"), frozenset("pqmu")
_OWN_STYLES = "Take out the site's own styles that reach into [data-cmw-banner]."
#: How many bytes of a body and an address are searched.
_SEARCHED = 4_000


class ToldConsent(NamedTuple):
    """What a request tells a vendor about one purpose."""

    signal: str
    purpose: str
    is_granted: bool


def consent_on_the_wire(request: LiveRequest) -> list[ToldConsent]:
    """
    Return what a request tells about the visitor's choice: the vendor's signal, the purpose, and whether it is granted.

    Google's ``gcs`` and ``gcd`` and the ``asc`` of Microsoft's UET are recognised on any host.
    """
    found: dict[str, ToldConsent] = {}
    for query in (urlsplit(request.url).query[:_SEARCHED], request.body[:_SEARCHED]):
        fields = parse_qs(query, max_num_fields=200) if query.count("&") < 200 else {}  # noqa: PLR2004
        if match := _GCS.fullmatch(fields.get("gcs", [""])[0]):
            for (signal, purpose), value in zip(_GOOGLE, match.groups(), strict=True):
                if value != "-":
                    found[signal] = ToldConsent(signal, purpose, value == "1")
        letters = _GCD_LETTER.findall(fields.get("gcd", [""])[0])
        for (signal, purpose), letter in zip(_GOOGLE, letters, strict=False):
            if letter in _GCD_GRANTED | _GCD_DENIED:
                found.setdefault(signal, ToldConsent(signal, purpose, letter in _GCD_GRANTED))
        if (value := fields.get("asc", [""])[0]) in ("G", "D"):
            found["asc"] = ToldConsent("asc", MARKETING, value == "G")
    return list(found.values())


def add_browser(report: AuditReport, walk: LiveWalk, reader: Reader, origin: str) -> None:
    """Add a browser's observations on a site of that origin to a report."""
    found = {finding.id: finding for finding in report.findings}
    live = _Live(report, reader, origin, found)
    for name, pages in walk.pages.items():
        for page in pages:
            live.take(name, page)
            report.browser.append(_shown(name, page, live.own))
    if walk.notice is not None:
        for finding in _about_notice(walk.notice):
            merge(found, finding, passes.UNTOUCHED, SeenPlace("/", 0, 0, ""))
    live.about_declarations()
    report.unseen += walk.unseen
    report.findings = in_order(found.values())


def _shown(name: str, page: LivePage, own: str) -> ShownView:
    requests = tuple(
        ShownRequest(one.shown, one.host, one.kind, site_of(one.host) != own, tuple(map(str, one.causes)))
        for one in page.requests
    )
    return ShownView(name, page.path, requests, tuple(page.kept))


class _Live:
    """Turns the recorded views into findings."""

    def __init__(self, report: AuditReport, reader: Reader, origin: str, found: dict[str, AuditFinding]) -> None:
        self._report = report
        self._reader = reader
        self._origin = origin
        #: The site's own domain.
        self.own = site_of(urlsplit(origin).hostname or "")
        self._found = found
        #: The services that were seen, with the first pass and place.
        self._services: dict[str, tuple[str, SeenPlace]] = {}

    def take(self, name: str, page: LivePage) -> None:
        """Process one view of a page."""
        for request in page.requests:
            self._take_request(name, page, request)
        for item in page.kept:
            self._take_kept(name, page, item)

    def about_declarations(self) -> None:
        """Correct findings about the configuration that were based on markup alone."""
        site = self._reader.site
        for id_, (name, place) in self._services.items():
            self._found.pop(finding_id("never-seen", id_), None)
            if not site.learning and id_ not in site.by_id and not self._reader.services[id_].necessary:
                merge(self._found, undeclared(self._reader.services[id_]), name, place)

    # -- requests

    def _take_request(self, name: str, page: LivePage, request: LiveRequest) -> None:
        third = site_of(request.host) != self.own
        services = self._services_of(request)
        for service in services:
            self._services.setdefault(service.id, (name, self._place(page, request)))
        self._check_signals(name, page, request)
        kind = FIRING.get(name.removesuffix(NO_SCRIPTS))
        waiting = [service for service in services if self._reader.waits(service)]
        if kind is not None and (behind := self._reader.behind_alias(request.url, self._origin)):
            merge(self._found, aliased(*behind, request.host), name, self._place(page, request))
            return
        if kind is None or not (waiting or third):
            return
        if waiting:
            for service in waiting[:1]:
                self._fires(name, page, request, service, kind if third else "first-party-tracker")
        elif not services and not self._reader.may_load(request.url):
            self._fires(name, page, request, Service(request.host, request.host, "", ()), "not-held")

    def _first(self, kind: str, *facts: str) -> str:
        """Return the kind of the same finding in an earlier pass, or else this kind."""
        return next((one for one in _FIRES if finding_id(one, *facts) in self._found), kind)

    def _services_of(self, request: LiveRequest) -> list[Service]:
        found = list(self._reader.services_at(request.url, self._origin))
        if not found:
            query = urlsplit(request.url).query[:_SEARCHED]
            for sign, id_ in _WIRE_SIGNS:
                if (sign.search(query) or sign.search(request.body)) and id_ in self._reader.services:
                    found.append(self._reader.services[id_])
        return found

    def _fires(self, name: str, page: LivePage, request: LiveRequest, service: Service, kind: str) -> None:
        place = self._place(page, request)
        if kind != "not-held":
            kind = self._first(kind, service.id, "request", request.host)
        for one in ("put-in-behind", *_FIRES) if kind != "not-held" else ("not-held",):
            for element in _ELEMENTS:
                known = self._found.get(finding_id(one, service.id, element, request.host))
                if known is not None:
                    if place not in known.places and name not in known.passes:
                        known.passes.append(name)
                    return
        owner = f" ({service.vendor})" if service.vendor else ""
        what = f"{service.name}{owner}, by a request of kind {request.kind}"
        what += f" to {request.host}." if request.host != service.name else "."
        remedy = remedy_for(kind, service, request.host, wrapped=self._report.wrapped)
        finding = AuditFinding(
            finding_id(kind, service.id, "request", request.host),
            kind,
            service.id,
            service.name,
            service.vendor,
            what,
            self._remedy(remedy, service, kind),
        )
        merge(self._found, finding, name, place)

    def _remedy(self, usual: str, service: Service, kind: str) -> str:
        """Return the remedy for a request made by a script, which the rewriter cannot see."""
        if kind == "not-held" or not self._report.wrapped:
            return usual
        declared = service.id in self._reader.site.by_id
        lines = "" if declared else f"\n\n    [[services]]\n    use = {service.id!r}".replace("'", '"')
        return (
            "A script of the page asks for it. The guard holds what scripts ask of declared services; "
            + (
                "that it was not held means that the request was made where the guard is not (a worker, another frame, "
                "paths.untouched) or to an address of the site's own: mark the script with data-consent."
                if declared
                else "so declare it:"
            )
            + lines
        )

    @staticmethod
    def _place(page: LivePage, request: LiveRequest) -> SeenPlace:
        line = column = 0
        for cause in request.causes:
            if cause.how in ("parser", "script") and urlsplit(cause.url).path == page.path.partition("?")[0]:
                line, column = cause.line, cause.column
                break
        chain = " < ".join(str(cause) for cause in request.causes if cause.how != "visit")
        return SeenPlace(page.path, line, column, f"{request.shown}{f' < {chain}' if chain else ''}"[:400])

    def _check_signals(self, name: str, page: LivePage, request: LiveRequest) -> None:
        """Compare the signals in a request with the visitor's choice."""
        base = name.removesuffix(NO_SCRIPTS)
        purposes = {purpose.id for purpose in self._reader.site.purposes}
        for signal, purpose, is_granted in consent_on_the_wire(request):
            should = base == passes.ACCEPT
            if is_granted == should or (should and purpose not in purposes):
                continue
            said, chose = ("granted", "did not grant it") if is_granted else ("denied", "granted it")
            what = f"{request.host} is told that {signal} is {said}, and the visitor {base} {chose}."
            remedy = (
                "Take the site's own gtag('consent', ...) or uetq consent calls out: consent_mw tells vendors what the"
                " visitor chose. A container that sets its own default says so in its consent settings."
            )
            id_ = finding_id("consent-mode-differs", signal, said, request.host)
            finding = AuditFinding(id_, "consent-mode-differs", signal, signal, "", what, remedy)
            merge(self._found, finding, name, self._place(page, request))

    # -- cookies and storage

    def _take_kept(self, name: str, page: LivePage, item: KeptItem) -> None:
        if item.kind == "cookie" and is_own(item.name) or item.kind in ("cache", "service worker"):
            return
        services = self._reader.keepers(item.kind, item.name)
        place = SeenPlace(page.path, 0, 0, f"{item.kind} {item.name}{f' < {item.setter}' if item.setter else ''}"[:400])
        if item.kind == "cookie":
            for service in services:
                if service.id not in self._reader.site.by_id:
                    continue
                self._services.setdefault(service.id, (name, place))
                if finding := outlives(service, item.name, item.days):
                    merge(self._found, finding, name, place)
        kind = FIRING.get(name.removesuffix(NO_SCRIPTS))
        if kind is None:
            return
        waiting = [service for service in services if self._reader.waits(service)]
        if waiting and len(waiting) == len(services):
            service = waiting[0]
            kind = self._first(kind, service.id, item.kind, item.name)
            what = f"{service.name} ({service.vendor}) keeps {item.name} in the browser, as {item.kind}."
            finding = AuditFinding(
                finding_id(kind, service.id, item.kind, item.name),
                kind,
                service.id,
                service.name,
                service.vendor,
                what,
                remedy_for(kind, service, "", wrapped=self._report.wrapped),
            )
            merge(self._found, finding, name, place)
        elif item.kind == "cookie" and not services:
            what = f"The cookie {item.name} for {item.where} is in no service."
            lines = own_service_lines(item.where.lstrip(".")) + f'\n    cookies = ["{item.name}"]'
            remedy = f'Say what it is, so that visitors are told; the purpose may be "necessary":\n\n{lines}'
            id_ = finding_id("unknown-cookie", item.name, item.where)
            merge(self._found, AuditFinding(id_, "unknown-cookie", "", item.name, "", what, remedy), name, place)


# -- the notice


def _about_notice(notice: NoticeLook) -> Iterator[AuditFinding]:
    names = {OWN: "consent_mw", "": "The notice", **{tool.id: tool.name for tool in OTHER_TOOLS}}
    whose = names.get(notice.tool, notice.tool)
    ours = notice.tool == OWN
    for text in notice.less:
        what = f"{whose}: of the button that refuses, {text}." if not text.startswith("there") else f"{whose}: {text}."
        remedy = _OWN_STYLES if ours else "Give both buttons the same size, weight, colours and place."
        id_ = finding_id("reject-is-less", notice.tool, re.sub(r"[\d.,]+", "", text))
        yield AuditFinding(id_, "reject-is-less", notice.tool, whose, "", what, remedy)
    for text in notice.hard:
        id_ = finding_id("notice-is-hard", notice.tool, re.sub(r"[\d.,]+", "", text))
        remedy = _OWN_STYLES if ours else "Change it in the tool."
        yield AuditFinding(id_, "notice-is-hard", notice.tool, whose, "", f"{whose}: {text}.", remedy)
