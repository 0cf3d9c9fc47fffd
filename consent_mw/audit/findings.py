"""
The findings of an audit, with evidence and remedy.

A finding's id depends only on its kind, service, element and host, so it is the same tomorrow, on another page and on
another line. :mod:`consent_mw.audit.baseline` handles findings that the owner accepts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from consent_mw.audit import passes
from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.browser_views import ShownView
from consent_mw.audit.browser_views import is_identifier
from consent_mw.audit.choice_entries import name_choices
from consent_mw.audit.other_tools import OtherTool
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import AuditedPage
from consent_mw.audit.pages import Reader
from consent_mw.audit.pages import SeenLoad
from consent_mw.audit.passes import Walk
from consent_mw.audit.remedies import own_entry_lines
from consent_mw.audit.remedies import remedy_for
from consent_mw.config.toml_lines import toml_string
from consent_mw.core.globs import fits
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.tracker_cookies import is_own

__all__ = [
    "KINDS",
    "AuditFinding",
    "Kind",
    "SeenPlace",
    "AuditReport",
    "Reached",
    "reached",
    "FIRING",
    "aliased",
    "finding_id",
    "in_order",
    "merge",
    "other_tool",
    "outlives",
    "report_of",
    "undeclared",
    "unknown_cookie",
]

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding: its title, its severity, and what it means."""

    title: str
    severity: str
    meaning: str


KINDS: Mapping[str, Kind] = {
    "fires-before-consent": Kind(
        "Fires before consent", ERROR, "A visitor who has not chosen anything gets this, and the browser runs it."
    ),
    "fires-after-reject": Kind("Fires after a refusal", ERROR, "A visitor who said no gets this all the same."),
    "fires-with-gpc": Kind(
        "Fires with Global Privacy Control", ERROR, "A browser that objects for its visitor gets this all the same."
    ),
    "survives-withdrawal": Kind("Survives withdrawal", ERROR, "A visitor who took consent back still gets this."),
    "first-party-tracker": Kind(
        "Tracker on the site's own host",
        ERROR,
        "The site's own server passes on what a visitor does, before anybody was asked.",
    ),
    "put-in-behind": Kind(
        "Put in behind consent_mw",
        ERROR,
        "It is in a page that visitors get, and consent_mw would have held it: something behind it put it in.",
    ),
    "consent-mode-differs": Kind(
        "Consent Mode says something else", ERROR, "What the browser tells the vendor is not what the visitor chose."
    ),
    "fingerprinting": Kind(
        "Tells browsers apart without a cookie",
        WARNING,
        "A script reads several traits of the browser that together identify it, before anybody was asked.",
    ),
    "page-refused": Kind(
        "Page cannot be read", ERROR, "consent_mw would send an error page instead, as nothing may leave unread."
    ),
    "undeclared": Kind(
        "Not declared", WARNING, "It stays held for everybody, since no visitor is asked about it."
    ),
    "cookie-outlives": Kind("Cookie lasts too long", WARNING, "It lasts longer than visitors are told."),
    "reject-is-less": Kind(
        "Refusing is harder than accepting", WARNING, "Who wants to say no has to look or click longer."
    ),
    "ticked-in-advance": Kind(
        "Boxes are ticked in advance", WARNING, "Who leaves them as they are has not said yes, and is taken to have."
    ),
    "notice-is-hard": Kind("Notice is hard to use", WARNING, "Some people cannot read it or answer it."),
    "not-held": Kind(
        "Unknown third party", NOTE, "The configuration lets it load: nobody has said what it is."
    ),
    "never-seen": Kind(
        "Declared but never seen", NOTE, "Visitors are asked about it, and no page that was read has it."
    ),
    "unknown-cookie": Kind(
        "Unknown cookie", NOTE, "No service declares it, so visitors are not told what it is for."
    ),
    "unknown-storage": Kind(
        "Unknown entry in the browser's storage", NOTE, "No service declares it, so visitors are not told of it."
    ),
    "cookie-renewed": Kind(
        "Cookie is prolonged by every page", NOTE, "It ends that long after the last visit, not after the first."
    ),
    "other-tool": Kind("Another consent tool", NOTE, "Two notices on one page contradict each other."),
}  # fmt: skip

_SEVERITIES = (ERROR, WARNING, NOTE)
#: The kind of a finding about a third-party load, by the pass in which it was seen.
FIRING = {
    passes.UNTOUCHED: "fires-before-consent",
    passes.GPC: "fires-with-gpc",
    passes.REJECT: "fires-after-reject",
    passes.WITHDRAW: "survives-withdrawal",
}
_MAX_AGE = re.compile(r";\s*max-age\s*=\s*(-?\d{1,12})", re.IGNORECASE)
_EXPIRES = re.compile(r";\s*expires\s*=\s*([^;]{1,60})", re.IGNORECASE)
_DOMAIN = re.compile(r";\s*domain\s*=\s*\.?([A-Za-z0-9.-]{1,253})", re.IGNORECASE)
_DAY = 86_400
#: How many places of one finding are kept.
_PLACES = 20
#: How many characters of an address are shown.
_MARKUP = 200


@dataclass(frozen=True, slots=True)
class SeenPlace:
    """Where something was seen: page, line and column from 1 (0 in the response's head), and the start of its text."""

    path: str
    line: int
    column: int
    markup: str


@dataclass
class AuditFinding:
    """
    Something that the owner should know.

    Args:
        id: The same for all runs, pages and lines.
        kind: One of :data:`KINDS`.
        service: The service's id, or a substitute for it.
        name: The service's name.
        vendor: The company behind it; empty if unknown.
        what: The finding in one sentence.
        remedy: What to do, as text; lines to paste are indented.
        passes: The passes in which it was seen.
    """

    id: str
    kind: str
    service: str
    name: str
    vendor: str
    what: str
    remedy: str
    passes: list[str] = field(default_factory=list)
    places: list[SeenPlace] = field(default_factory=list)
    #: How often it was seen in the first of these passes.
    count: int = 0
    #: Why it is accepted; empty if it is not.
    accepted: str = ""
    #: The names of what another consent tool keeps in the browser for itself, by kind (``cookie``).
    keeps: dict[str, list[str]] = field(default_factory=dict)

    @property
    def severity(self) -> str:
        """``error``, ``warning`` or ``note``."""
        return KINDS[self.kind].severity


@dataclass(frozen=True, slots=True)
class Reached:
    """
    What the pages of a site load before a choice.

    Args:
        pages: The number of pages.
        elements: The number of elements that load something from a service or an unknown third party.
        services: The ids of these services.
        requests: The number of a browser's requests to other hosts; 0 without a browser.
        hosts: The number of these hosts.
        cookies: The number of cookies in the browser.
    """

    pages: int
    elements: int
    services: tuple[str, ...]
    requests: int
    hosts: int
    cookies: int


@dataclass
class AuditReport:
    """
    The result of an audit.

    Args:
        target: The audited address or application.
        day: The date, as YYYY-MM-DD.
        wrapped: Whether the site has our notice.
        pages: The number of pages, by pass.
        held: The number of elements held for visitors who have not chosen, by service.
        loading: The number of elements that load for them, by service.
        would_hold: How many of the latter the configuration would hold.
        unseen: What could not be examined, and why.
    """

    target: str
    day: str
    wrapped: bool = False
    pages: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    loading: dict[str, int] = field(default_factory=dict)
    would_hold: int = 0
    findings: list[AuditFinding] = field(default_factory=list)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    #: What the browser did, by view.
    browser: list[ShownView] = field(default_factory=list)
    #: What the site loads without consent_mw; None if that was not examined.
    before: Reached | None = None
    #: The names of the services in ``held`` and ``loading``.
    names: dict[str, str] = field(default_factory=dict)
    #: The pages that were read before a choice.
    paths: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[AuditFinding]:
        """The open findings: errors and warnings that are not accepted."""
        return [one for one in self.findings if one.severity != NOTE and not one.accepted]

    @property
    def looked(self) -> bool:
        """Whether at least one page could be read."""
        return any(self.pages.values())


def report_of(target: str, walk: Walk, reader: Reader, today: date) -> AuditReport:
    """Return the report on the pages of a walk."""
    report = AuditReport(target, today.isoformat(), unseen=list(walk.unseen))
    report.pages = {name: sum(page.is_page for page in pages) for name, pages in walk.pages.items()}
    untouched = walk.pages.get(passes.UNTOUCHED, [])
    report.paths = [page.path for page in untouched]
    report.wrapped = any(page.marks.choice for page in untouched)
    for page in untouched:
        for ids, count in page.marks.held.items():
            _add(report.held, ids[0], count)
        for load in page.loads:
            _add(report.loading, load.service.id, 1)
            report.would_hold += load.is_held
    known = sorted({*report.held, *report.loading} & set(reader.services))
    report.names = {id_: reader.services[id_].name for id_ in known}
    found: dict[str, AuditFinding] = {}
    for name, kind in FIRING.items():
        for page in walk.pages.get(name, []):
            for load in page.loads:
                behind = name == passes.UNTOUCHED and page.marks.choice  # a wrapped page has nothing left to hold
                fires = "put-in-behind" if behind else kind
                _note_load(found, page, load, fires if load.is_held else "not-held", name, wrapped=report.wrapped)
        for page in walk.pages.get(name, []):
            for finding, place in _about_aliases(page, reader, walk.origin):
                merge(found, finding, name, place)
    for finding, page in _about_pages(untouched):
        merge(found, finding, passes.UNTOUCHED, SeenPlace(page.path, 0, 0, ""))
    for name, page in ((name, page) for name, pages in walk.pages.items() for page in pages):
        for finding in _about_cookies(page, reader, walk.origin, today):
            merge(found, finding, name, SeenPlace(page.path, 0, 0, ""))
    for finding in _about_declarations(report, reader):
        found[finding.id] = finding
    every = (page for pages in walk.pages.values() for page in pages)
    name_choices(found, [KeptItem("cookie", name_of_pair(value), "") for page in every for value in page.cookies])
    report.findings = in_order(found.values())
    return report


def reached(report: AuditReport) -> Reached:
    """Return what the pages of a report load before a choice."""
    views = [view for view in report.browser if view.name == passes.UNTOUCHED]
    asked = [request for view in views for request in view.requests if request.is_third]
    cookies = {item.name for view in views for item in view.kept if item.kind == "cookie" and not is_own(item.name)}
    return Reached(
        report.pages.get(passes.UNTOUCHED, 0),
        sum(report.loading.values()),
        tuple(sorted(report.loading)),
        len(asked),
        len({request.host for request in asked}),
        len(cookies),
    )


def in_order(findings: Iterable[AuditFinding]) -> list[AuditFinding]:
    """Return the findings, the most severe first."""
    order = list(KINDS)
    return sorted(findings, key=lambda one: (_SEVERITIES.index(one.severity), order.index(one.kind), one.name, one.id))


def _add(counts: dict[str, int], id_: str, count: int) -> None:
    counts[id_] = counts.get(id_, 0) + count


def finding_id(*facts: str) -> str:
    """Return the id of a finding from its kind, service, element and host."""
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:10]


def _note_load(
    found: dict[str, AuditFinding], page: AuditedPage, load: SeenLoad, kind: str, pass_name: str, *, wrapped: bool
) -> None:
    """Add a load to the findings; a load that was seen in an earlier pass belongs to that finding."""
    service, seen = load.service, load.seen
    known = ("put-in-behind", *FIRING.values())
    first = next(
        (one for one in known if finding_id(one, service.id, seen.element, load.host) in found),
        kind,
    )
    kind = kind if kind == "not-held" else first
    where = f"in a header: {seen.markup.partition(':')[0]}" if seen.element == "header" else f"by <{seen.element}>"
    what = f"{service.name}{f' ({service.vendor})' if service.vendor else ''}, {where}"
    if load.host and load.host != service.name:
        what += f", from {load.host}"
    finding = AuditFinding(
        finding_id(kind, service.id, seen.element, load.host),
        kind,
        service.id,
        service.name,
        service.vendor,
        what + ".",
        remedy_for(kind, service, load.host, wrapped=wrapped),
    )
    merge(found, finding, pass_name, SeenPlace(page.path, seen.line, seen.column, seen.markup))


def merge(found: dict[str, AuditFinding], finding: AuditFinding, pass_name: str, place: SeenPlace) -> None:
    """Add a finding, or another place to a known finding."""
    known = found.setdefault(finding.id, finding)
    if pass_name not in known.passes:
        known.passes.append(pass_name)
    if pass_name == known.passes[0]:
        known.count += 1
        if len(known.places) < _PLACES:
            known.places.append(place)


def _about_pages(pages: Iterable[AuditedPage]) -> Iterator[tuple[AuditFinding, AuditedPage]]:
    for page in pages:
        if page.refused:
            remedy = "Correct what the response says of itself; docs/bad-input.md has the reasons one by one."
            id_ = finding_id("page-refused", page.refused)
            yield AuditFinding(id_, "page-refused", "", "Page", "", page.refused, remedy), page
        for tool in tools_in(page.text):
            yield other_tool(tool), page


def _about_aliases(page: AuditedPage, reader: Reader, origin: str) -> Iterator[tuple[AuditFinding, SeenPlace]]:
    for host, (address, line) in page.marks.sources.items():
        if behind := reader.behind_alias(address, origin):
            yield aliased(*behind, host), SeenPlace(page.path, line, 1, address[:_MARKUP])


def aliased(service: Service, chain: tuple[str, ...], host: str) -> AuditFinding:
    """Return the finding about a host that is an alias of a service's host."""
    what = f"{service.name} ({service.vendor}), behind {host}, which is another name of {' and '.join(chain)}."
    declare = f"    [[services]]\n    use = {toml_string(service.id)}\n    hosts = [{toml_string(host)}]"
    remedy = f"Tell consent_mw that this host is the service's, so that it is held, too:\n\n{declare}"
    id_ = finding_id("first-party-tracker", service.id, "alias", host)
    return AuditFinding(id_, "first-party-tracker", service.id, service.name, service.vendor, what, remedy)


def other_tool(tool: OtherTool) -> AuditFinding:
    """Return the finding that another consent tool is on the site."""
    what = f"{tool.name} is on the site."
    remedy = f"Once consent_mw asks, take it out: {tool.delete}"
    return AuditFinding(finding_id("other-tool", tool.id), "other-tool", tool.id, tool.name, "", what, remedy)


def _about_cookies(page: AuditedPage, reader: Reader, origin: str, today: date) -> Iterator[AuditFinding]:
    """Yield findings about cookies that nobody declares, and those that live longer than visitors are told."""
    for value in page.cookies:
        name, days = name_of_pair(value), _days_of(value, today)
        if days is not None and days < 0:
            continue  # it is deleted
        if name and not is_own(name) and not reader.keepers("cookie", name):
            domain = _DOMAIN.search(value)
            where = f".{domain[1].lower()}" if domain else urlsplit(origin).hostname or ""
            yield unknown_cookie(name, where, _looks(value, days))
        for service in reader.site.services if days is not None else ():
            if finding := outlives(service, name, days or 0):
                yield finding


def _days_of(set_cookie: str, today: date) -> int | None:
    """Return for how many days a cookie lasts (RFC 6265 section 5.3): None for the session, -1 if it is deleted."""
    if age := _MAX_AGE.search(set_cookie):
        return int(age[1]) // _DAY if int(age[1]) > 0 else -1
    if expires := _EXPIRES.search(set_cookie):
        try:
            return max((parsedate_to_datetime(expires[1]).date() - today).days, -1)
        except (ValueError, OverflowError):
            return None
    return None


def unknown_cookie(name: str, where: str, more: str = "") -> AuditFinding:
    """Return the finding about a cookie that no service declares; ``where`` is its domain, with a dot if it has one."""
    what = f"The cookie {name} for {where} is in no service.{more}"
    remedy = f"Say what it is, so that visitors are told:\n\n{own_entry_lines(name, 'cookies')}"
    return AuditFinding(finding_id("unknown-cookie", name, where), "unknown-cookie", "", name, "", what, remedy)


def _looks(set_cookie: str, days: int | None) -> str:
    value = set_cookie.partition(";")[0].partition("=")[2]
    lasts = f" It lasts {days:,} days." if days is not None else ""
    return (" Its value looks like an identifier." if is_identifier(value) else "") + lasts


def _about_declarations(report: AuditReport, reader: Reader) -> Iterator[AuditFinding]:
    """Yield findings about services in the pages but not in the configuration, and the reverse."""
    site = reader.site
    if site.learning:
        return  # such a site declares what it sees
    seen = set(report.held) | set(report.loading)
    for id_ in sorted(seen & set(reader.services) - set(site.by_id)):
        if not reader.services[id_].necessary:
            yield undeclared(reader.services[id_])
    for service in site.optional:
        if service.id == UNKNOWN_SERVICE:
            continue  # a placeholder for unknown services, not a declaration
        if service.id not in seen and not seen.intersection(service.purposes):
            what = f"{service.name} is declared, and no page that was read has it."
            remedy = (
                "Take it out of the configuration if it is gone. An audit does not see what other scripts load, nor"
                " pages it was not led to."
            )
            id_ = finding_id("never-seen", service.id)
            yield AuditFinding(id_, "never-seen", service.id, service.name, service.vendor, what, remedy)


def undeclared(service: Service) -> AuditFinding:
    """Return the finding about a known service that the configuration does not declare."""
    what = f"{service.name} is on the site and not in its configuration."
    remedy = f"Ask visitors about it:\n\n    [[services]]\n    use = {toml_string(service.id)}"
    id_ = finding_id("undeclared", service.id)
    return AuditFinding(id_, "undeclared", service.id, service.name, service.vendor, what, remedy)


def outlives(service: Service, name: str, days: int) -> AuditFinding | None:
    """Return the finding about a cookie that lives longer than declared, or None."""
    told = next((most for glob, most in service.cookie_days.items() if fits(glob, name)), None)
    if told is None or days <= told:
        return None
    what = f"The cookie {name} of {service.name} lasts {days:,} days, and visitors are told {told:,}."
    table = f"cookie_days = {{ {toml_string(name)} = {days} }}"
    declare = f"    [[services]]\n    use = {toml_string(service.id)}\n    {table}"
    remedy = f"Let it last shorter, or tell visitors:\n\n{declare}"
    id_ = finding_id("cookie-outlives", service.id, name)
    return AuditFinding(id_, "cookie-outlives", service.id, service.name, service.vendor, what, remedy)
