"""
Adds a browser's observations to a report: requests and cookies that markup does not show, and faults of the notice.

If the markup already led to a finding, the observation becomes evidence for it, not a second finding.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs
from urllib.parse import unquote
from urllib.parse import urlsplit

from consent_mw.audit import passes
from consent_mw.audit.browser import NO_SCRIPTS
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.browser_views import LiveRequest
from consent_mw.audit.browser_views import ShownRequest
from consent_mw.audit.browser_views import ShownView
from consent_mw.audit.choice_entries import name_choices
from consent_mw.audit.findings import FIRING
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import SeenPlace
from consent_mw.audit.findings import aliased
from consent_mw.audit.findings import finding_id
from consent_mw.audit.findings import in_order
from consent_mw.audit.findings import merge
from consent_mw.audit.findings import other_tool
from consent_mw.audit.findings import outlives
from consent_mw.audit.findings import undeclared
from consent_mw.audit.findings import unknown_cookie
from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import NoticeLook
from consent_mw.audit.other_tools import tool_named
from consent_mw.audit.pages import Reader
from consent_mw.audit.remedies import own_entry_lines
from consent_mw.audit.remedies import own_service_lines
from consent_mw.audit.remedies import remedy_for
from consent_mw.core.model import MARKETING
from consent_mw.core.model import Service
from consent_mw.html.urls import site_of
from consent_mw.http.tracker_cookies import is_own

__all__ = ["ToldConsent", "about_notice", "add_browser", "consent_on_the_wire"]

#: The markup that belongs to each kind of request, to match requests with findings from markup.
_ELEMENTS = ("script", "img", "iframe", "link", "image", "object", "embed", "style", "video", "audio", "source")
#: The kinds of findings about something that reaches a third party.
_FIRES = ("first-party-tracker", *FIRING.values())
#: Parameters that identify a vendor's hit on any host and path, with the service.
_WIRE_SIGNS = (
    (re.compile(r"(?:^|[?&])tid=(?:G-|UA-)[A-Z0-9]{4}", re.IGNORECASE), "google-analytics"),
    (re.compile(r"(?:^|[?&])tid=(?:AW-|DC-)[A-Z0-9]{4}", re.IGNORECASE), "google-ads"),
    # The id alone, in a parameter of any name; in capitals, so that other words do not fit.
    (re.compile(r"=(?:G-(?=[A-Z]*\d)[A-Z0-9]{8,12}|UA-\d{4,10}-\d{1,3})(?:&|$)"), "google-analytics"),
    (re.compile(r"=AW-\d{8,12}(?:&|$)"), "google-ads"),
    (re.compile(r"(?:^|[?&])ev=PageView(?:&|$).*(?:^|[?&])(?:id|fbp)="), "meta-pixel"),
    (re.compile(r"(?:^|[?&])idsite=\d+(?:&|$).*(?:^|[?&])_id=[0-9a-f]{16}"), "matomo"),
)
#: What the bodies of vendors' hits have in them, on any host and path, with the service.
_BODY_SIGNS = (
    (re.compile(r"""["']?(?:api_key|token)["']?\s*[:=]\s*["']?phc_"""), "posthog"),
    (re.compile(r"""["']writeKey["']\s*:|["']anonymousId["']\s*:.*["']messageId["']\s*:""", re.DOTALL), "segment"),
    (re.compile(r"""["']\$insert_id["']\s*:|["']mp_lib["']\s*:"""), "mixpanel"),
    (re.compile(r"""^\s*\{(?=[^}]*["']n["']\s*:)(?=[^}]*["']u["']\s*:\s*["']http)[^}]*["']d["']\s*:"""), "plausible"),
    (re.compile(r"""["']payload["']\s*:\s*\{[^}]*["']website["']\s*:\s*["'][0-9a-f-]{36}"""), "umami"),
    (re.compile(r"""["']api_key["']\s*:\s*["'][0-9a-f]{32}["'](?=.*["']events["']\s*:)""", re.DOTALL), "amplitude"),
    (re.compile(r"iglu:com\.snowplowanalytics"), "snowplow"),
    (
        re.compile(r"""["']client_id["']\s*:.*["']events["']\s*:\s*\[\s*\{\s*["']name["']""", re.DOTALL),
        "google-analytics",
    ),
    (re.compile(r"""["']event_name["']\s*:.*["']fbp["']\s*:""", re.DOTALL), "meta-pixel"),
)
#: The setting of a service that declares what is stored under such a kind.
_STORES = {"local storage": "storage", "session storage": "storage", "IndexedDB": "storage"}
#: Google's signals in requests with our purpose for each; gcd has one letter for each, in this order.
_GOOGLE = (("ad_storage", MARKETING), ("analytics_storage", "analytics"))
_GCS = re.compile(r"G1([01-])([01-])")
_GCD_LETTER = re.compile(r"[a-z]")
_GCD_GRANTED, _GCD_DENIED = frozenset("tnrv"), frozenset("pqmu")
_CONSENT_CALLS = (
    "Take the site's own gtag('consent', ...) or uetq consent calls out: consent_mw tells vendors what the visitor"
    " chose. A container that sets its own default says so in its consent settings."
)
#: The signals of both consent modes that need a grant.
_SIGNALS = frozenset({"ad_storage", "analytics_storage", "ad_user_data", "ad_personalization"})
#: How many kinds of traits one script may read, before they are taken for a fingerprint.
_MOST_TRAITS = 3
_OWN_STYLES = "Take out the site's own styles that reach into [data-cmw-banner]."
#: A word that may be base64, and how many of an address are decoded.
_BASE64 = re.compile(r"(?<=[/=])[A-Za-z0-9+_-]{16,1000}(?=[/&=?]|$)")
_MOST_WORDS = 20
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
        place = SeenPlace("/", 0, 0, "")
        for finding in about_notice(walk.notice):
            merge(found, finding, passes.UNTOUCHED, place)
        # Many tools render their notice in the browser only, so the page as it was sent has no sign of them.
        tool = tool_named(walk.notice.tool) if walk.notice.tool != OWN else None
        if tool is not None and (finding := other_tool(tool)).id not in found:
            merge(found, finding, passes.UNTOUCHED, place)
    live.about_declarations()
    name_choices(found, (item for pages in walk.pages.values() for page in pages for item in page.kept))
    report.unseen += walk.unseen
    report.findings = in_order(found.values())


def _shown(name: str, page: LivePage, own: str) -> ShownView:
    requests = tuple(
        ShownRequest(one.shown, one.host, one.kind, site_of(one.host) != own, tuple(map(str, one.causes)))
        for one in page.requests
    )
    return ShownView(name, page.path, requests, tuple(page.kept))


def _texts_of(request: LiveRequest) -> list[str]:
    """Return what of a request may have a vendor's signs: its query, its body, and what base64 hides in the address."""
    texts = [urlsplit(request.url).query[:_SEARCHED], request.body]
    for word in _BASE64.findall(request.url[:_SEARCHED])[:_MOST_WORDS]:
        with suppress(ValueError):
            raw = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_")
            texts.append(raw.decode("ascii"))
    return texts


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
        self._take_traits(name, page)
        self._take_told(name, page)

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
            texts = _texts_of(request)
            for sign, id_ in _WIRE_SIGNS:
                if any(map(sign.search, texts)) and id_ in self._reader.services:
                    found.append(self._reader.services[id_])
        if not found and request.body:
            body = unquote(request.body)
            ids = [id_ for sign, id_ in _BODY_SIGNS if sign.search(body) and id_ in self._reader.services]
            found += [self._reader.services[id_] for id_ in ids]
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
            id_ = finding_id("consent-mode-differs", signal, said, request.host)
            finding = AuditFinding(id_, "consent-mode-differs", signal, signal, "", what, _CONSENT_CALLS)
            merge(self._found, finding, name, self._place(page, request))

    def _take_told(self, name: str, page: LivePage) -> None:
        """Compare what the page told a consent mode, whether or not a request carried it on, with the choice."""
        base = name.removesuffix(NO_SCRIPTS)
        for queue_and_signal, is_granted in page.told if base in FIRING else ():
            queue, _, signal = queue_and_signal.partition(" ")
            if not is_granted or signal not in _SIGNALS:
                continue
            what = f"The page itself says {signal} is granted, in {queue}, and the visitor {base} did not grant it."
            id_ = finding_id("consent-mode-differs", signal, "granted", queue)
            finding = AuditFinding(id_, "consent-mode-differs", signal, signal, "", what, _CONSENT_CALLS)
            place = SeenPlace(page.path, 0, 0, f"{queue}: consent, {signal}: granted")
            merge(self._found, finding, name, place)

    def _take_traits(self, name: str, page: LivePage) -> None:
        """Report scripts that read so many traits of the browser that they can tell it from others."""
        if name.removesuffix(NO_SCRIPTS) not in FIRING:
            return
        for script, traits in page.traits.items():
            if len(traits) < _MOST_TRAITS:
                continue
            path, host = urlsplit(script).path, urlsplit(script).hostname or ""
            what = f"{host}{path} reads {', '.join(traits[:-1])} and {traits[-1]}."
            paste = own_service_lines(host).replace(f'["{host}"]', f'["{host}{path}"]').replace("hosts =", "paths =")
            remedy = f"If it is there to recognise visitors, let it wait for them:\n\n{paste}"
            id_ = finding_id("fingerprinting", host, path)
            finding = AuditFinding(id_, "fingerprinting", host, path, "", what, remedy)
            merge(self._found, finding, name, SeenPlace(page.path, 0, 0, f"{script.partition('?')[0]}"[:400]))

    # -- cookies and storage

    def _take_kept(self, name: str, page: LivePage, item: KeptItem) -> None:
        if item.kind == "cookie" and is_own(item.name) or item.kind in ("cache", "service worker"):
            return
        services = self._reader.keepers(item.kind, item.name)
        place = SeenPlace(page.path, 0, 0, f"{item.kind} {item.name}{f' < {item.setter}' if item.setter else ''}"[:400])
        if item.kind == "cookie":
            if item.is_renewed and item.days:
                self._renewed(name, item, place)
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
        elif item.kind in _STORES and not services:
            what = f"{item.name} in {item.kind} of {item.where} is in no service." + _looks(item)
            lines = own_entry_lines(item.name, _STORES[item.kind])
            remedy = f"Say what it is, so that visitors are told:\n\n{lines}"
            id_ = finding_id("unknown-storage", item.kind, item.name, item.where)
            merge(self._found, AuditFinding(id_, "unknown-storage", "", item.name, "", what, remedy), name, place)
        elif item.kind == "cookie" and not services:
            merge(self._found, unknown_cookie(item.name, item.where, _looks(item)), name, place)

    def _renewed(self, name: str, item: KeptItem, place: SeenPlace) -> None:
        what = f"The cookie {item.name} for {item.where} begins its {item.days:,} days anew on every page."
        remedy = "Set it once, and not again while the browser sends it."
        id_ = finding_id("cookie-renewed", item.name, item.where)
        merge(self._found, AuditFinding(id_, "cookie-renewed", "", item.name, "", what, remedy), name, place)


def _looks(item: KeptItem) -> str:
    lasts = f" and lasts {item.days:,} days" if item.days else ""
    return f" Its value looks like an identifier{lasts}." if item.is_id else ""


# -- the notice


def about_notice(notice: NoticeLook) -> Iterator[AuditFinding]:
    """Yield the findings about a notice."""
    ours = notice.tool == OWN
    tool = None if ours else tool_named(notice.tool)
    whose = OWN if ours else tool.name if tool is not None else "The notice"
    for text in notice.less:
        about = "" if text.startswith("the") else "of the button that refuses, "
        what = f"{whose}: {about}{text}."
        remedy = _OWN_STYLES if ours else "Give both buttons the same size, weight, colours and place."
        id_ = finding_id("reject-is-less", notice.tool, re.sub(r"[\d.,]+", "", text))
        yield AuditFinding(id_, "reject-is-less", notice.tool, whose, "", what, remedy)
    if notice.ticked:
        boxes = ", ".join(name or "a box without a name" for name in notice.ticked)
        what = f"{whose}: ticked before anybody ticked them: {boxes}."
        remedy = "Let every box but those of necessary services begin unticked."
        id_ = finding_id("ticked-in-advance", notice.tool)
        yield AuditFinding(id_, "ticked-in-advance", notice.tool, whose, "", what, remedy)
    for text in notice.hard:
        id_ = finding_id("notice-is-hard", notice.tool, re.sub(r"[\d.,]+", "", text))
        remedy = _OWN_STYLES if ours else "Change it in the tool."
        yield AuditFinding(id_, "notice-is-hard", notice.tool, whose, "", f"{whose}: {text}.", remedy)
