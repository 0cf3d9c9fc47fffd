"""
Values for the templates, computed from the site and the decision. Texts are not escaped yet.

The templates escape everything (autoescape), with markupsafe like :func:`consent_mw.notice.escaping.escape`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass

from consent_mw.catalogue.strangers import WithStrangers
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.counts import K
from consent_mw.core.days import iso
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import WHOLE
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.offer import offered
from consent_mw.notice.wording import counted
from consent_mw.notice.wording import dated
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import fill
from consent_mw.notice.wording import isolated
from consent_mw.notice.wording import listed
from consent_mw.notice.wording import numeral
from consent_mw.notice.wording import purpose_description
from consent_mw.notice.wording import purpose_label
from consent_mw.notice.wording import service_description
from consent_mw.notice.wording import service_name
from consent_mw.notice.wording import service_vendor
from consent_mw.notice.wording import wording
from consent_mw.web.form import granted_optional
from consent_mw.web.form import users_of

_MAIL = re.compile(r"[^\s@:\"<>]+@[^\s@/:]+\.[^\s@/:]+")

#: The most ids in one placeholder; no element is held for more services.
_PLACEHOLDER_LIMIT = 8
#: The most purposes that the style sheet of the pages can distinguish.
_TOLD_APART = 12


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about a service or the site; ``href`` is empty if the text is not a link."""

    label: str
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service with its own switch."""

    id: str
    name: str
    vendor: str
    description: str
    facts: tuple[Fact, ...]
    #: Its other purposes.
    also: str
    checked: bool
    #: True if it runs because of a purpose, not because of its own switch.
    by_purpose: bool
    #: True for a tag manager: it runs as soon as one of its purposes is granted.
    manager: bool
    #: The classes by which the style sheet shows "included" instead of the switch if the switches of the purposes
    #: include the service: ``any2`` for the second purpose, or ``every every1 every2`` for a service that needs both.
    included: str


@dataclass(frozen=True, slots=True)
class PurposeView:
    """One purpose with the services that are listed under it."""

    id: str
    label: str
    description: str
    #: The label of the switch for all of its services.
    all: str
    checked: bool
    services: tuple[ServiceView, ...]
    #: Services listed under an earlier purpose that serve this one too.
    shared: str


@dataclass(frozen=True, slots=True)
class StateView:
    """The visitor's current choice."""

    summary: str
    day: str
    iso_day: str
    receipt: str
    withdrawable: bool


@dataclass(frozen=True, slots=True)
class CountingView:
    """What is counted on the site."""

    by: str
    granted_only: bool


@dataclass(frozen=True, slots=True)
class PlaceholderView:
    """The placeholder of a held embed."""

    title: str
    text: str
    #: The label of the button that allows it for good; empty if there is nothing to choose.
    allow: str = ""
    purposes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    #: The ids that the embed is held for, joined by commas.
    ids: str = ""
    #: The kind of the first service, which determines the picture; empty if it is unknown.
    kind: str = ""
    #: The URL of the owner's picture, or empty.
    poster: str = ""


class Pages:
    """
    The values for the pages of one request.

    Args:
        site: The current site.
        decision: The decision for this visitor.
        found: The choice in the cookie, which may no longer be valid.
        lang: The language of the pages.
    """

    def __init__(self, site: Site, decision: Decision, found: Record | NoRecord, lang: str) -> None:
        self.site = site
        self.decision = decision
        self.found = found
        self.lang = lang
        self.dir = direction(lang)
        self.say: Mapping[str, str] = wording(lang, site)
        self._granted = granted_optional(site, decision)
        self._labels = {purpose.id: purpose_label(purpose, lang, site) for purpose in offered(site)}

    def fill(self, key: str, **values: str) -> str:
        """Fill in the placeholders of a text."""
        return fill(self.say[key], **values)

    def state(self) -> StateView:
        """Return the visitor's choice in words."""
        record = self.decision.record
        if record is None:
            lapsed = isinstance(self.found, Record)
            receipt = self.found.receipt if isinstance(self.found, Record) else ""
            return StateView(self.say["page.lapsed" if lapsed else "page.none"], "", "", receipt, bool(receipt))
        return StateView(
            summary=self._summary(),
            day=self.fill("page.day", date=self.date(record.day)),
            iso_day=iso(record.day),
            receipt=record.receipt,
            withdrawable=bool(record.receipt or self._granted),
        )

    def _summary(self) -> str:
        on = [label for id, label in self._labels.items() if id in self.decision.purposes]
        on += [
            self._name(service)
            for service in self.site.optional
            if service.id in self._granted and not self._through_purposes(service)
        ]
        return self.fill("page.granted", list=self.join(on)) if on else self.say["page.rejected"]

    def date(self, day: int) -> str:
        """Return a day, counted from 1970-01-01, in the date format of the language."""
        return dated(self.say, day)

    def number(self, number: int) -> str:
        """Return the number in the digits of the language."""
        return numeral(self.say, number)

    def term(self) -> str:
        """Return how long a record is kept."""
        return counted(self.say, "receipt.term", self.site.record_days)

    def purpose_names(self, ids: Iterable[str]) -> str:
        """Return the names of purposes as a list in a sentence; those that are offered come first."""
        wanted = frozenset(ids)
        offered_first = [label for id, label in self._labels.items() if id in wanted]
        return self.join((*offered_first, *sorted(wanted - self._labels.keys())))

    def service_names(self, ids: Iterable[str]) -> str:
        """Return the names of services; the id of a service that the site no longer declares."""
        names = [self._name(self.site.by_id[id]) if id in self.site.by_id else id for id in ids]
        return self.join(sorted(names, key=str.casefold))

    def counting(self) -> CountingView | None:
        """Return what is counted; None if nothing is counted."""
        if self.site.counters == "off" or not self.site.optional:
            return None
        by = ["browser", "system", *(["provider"] if self.site.isp != "off" else []), "language"]
        return CountingView(
            by=self.fill("count.by", list=self.join(self.say[f"count.by.{one}"] for one in by), least=self.number(K)),
            granted_only=self.site.counters == "granted",
        )

    def purposes(self) -> tuple[PurposeView, ...]:
        """Return the purposes with their services, each service once, under the first of its purposes."""
        views = []
        listed: set[str] = set()
        for purpose in offered(self.site):
            using = users_of(self.site, purpose.id)
            own = [service for service in using if service.id not in listed]
            listed.update(service.id for service in own)
            views.append(
                PurposeView(
                    id=purpose.id,
                    label=self._labels[purpose.id],
                    description=purpose_description(purpose, self.lang, self.site),
                    all=self.fill("page.all", count=self.number(len(using))),
                    checked=purpose.id in self.decision.purposes,
                    services=tuple(self._service(service, purpose) for service in own),
                    shared=self.join(self._name(service) for service in using if service not in own),
                )
            )
        return tuple(views)

    def necessary(self) -> PurposeView:
        """Return the services that run without consent."""
        purpose = next((purpose for purpose in self.site.purposes if purpose.id == NECESSARY), Purpose(NECESSARY))
        services = [service for service in self.site.services if service.necessary]
        return PurposeView(
            id=purpose.id,
            label=purpose_label(purpose, self.lang, self.site),
            description=purpose_description(purpose, self.lang, self.site),
            all="",
            checked=True,
            services=tuple(self._service(service, purpose) for service in services),
            shared="",
        )

    def _codes(self, names: Iterable[str]) -> str:
        return ", ".join(isolated(self.lang, name) for name in names)

    def _name(self, service: Service) -> str:
        return service_name(service, self.lang, self.site)

    def _through_purposes(self, service: Service) -> bool:
        return service.runs_for(self.decision.purposes)

    def _service(self, service: Service, purpose: Purpose) -> ServiceView:
        runs = service.id in self._granted
        return ServiceView(
            id=service.id,
            name=self._name(service),
            vendor=service_vendor(service, self.lang, self.site),
            description=service_description(service, self.lang, self.site)[0],
            facts=tuple(self._facts(service)),
            also=self.join(self._labels.get(id, id) for id in service.purposes if id != purpose.id),
            checked=runs and not self._through_purposes(service),
            by_purpose=runs and self._through_purposes(service),
            manager=service.manager,
            included=self._included(service),
        )

    def _included(self, service: Service) -> str:
        numbers = {id: number for number, id in enumerate(self._labels, 1)}
        needed = [numbers.get(id, 0) for id in service.purposes]
        if len(needed) == 1 or service.manager:
            return " ".join(f"any{number}" for number in needed if 0 < number <= _TOLD_APART)
        # If the style sheet does not know the switch of one of them, the service keeps its own switch.
        known = all(0 < number <= _TOLD_APART for number in needed)
        return " ".join(["every", *(f"every{number}" for number in needed)]) if known else ""

    def _facts(self, service: Service) -> Iterable[Fact]:
        say = self.say
        if service.vendor:
            yield Fact(say["page.vendor"], service_vendor(service, self.lang, self.site))
        if service.cookies:
            yield Fact(say["page.cookies"], self._codes(service.cookies))
        if service.storage:
            yield Fact(say["page.storage"], self._codes(service.storage))
        if service.country:
            yield Fact(say["page.country"], self.country(service.country))
        if service.safeguard:
            yield Fact(say["page.safeguard"], say.get(f"safeguard.{service.safeguard}", service.safeguard))
        if service.retention_days:
            yield Fact(say["page.retention"], counted(say, "page.days", service.retention_days))
        for key, address in (("page.policy", service.policy), ("page.opt-out", service.opt_out)):
            if href(address):
                yield Fact(say[key], re.sub(r"^https?://(www\.)?", "", address), href(address))

    def responsible(self) -> tuple[Fact, ...]:
        """Return the controller and the other facts about the site, as configured."""
        said = (
            ("page.controller", self.site.controller),
            ("page.contact", self.site.contact),
            ("banner.privacy", self.site.privacy_policy),
            ("page.authority", self.site.supervisory_authority),
        )
        return tuple(Fact(self.say[key], text, href(text)) for key, text in said if text)

    def contact(self) -> Fact | None:
        """Return the contact address, if one is configured."""
        return next((fact for fact in self.responsible() if fact.label == self.say["page.contact"]), None)

    def placeholder(self, ids: str, catalogue: Callable[[], Mapping[str, Service]]) -> PlaceholderView | None:
        """
        Return the placeholder of an embed that is held for these services, or None if an id is unknown.

        The button grants them in addition to the current grants. A service that the site does not declare has a name
        but no button. An id may also be a purpose, from an author's mark.
        """
        wanted = list(dict.fromkeys(ids.split(",")))[:_PLACEHOLDER_LIMIT]
        whole = WHOLE in wanted
        wanted = [id for id in wanted if id != WHOLE]
        marked = {id for id in wanted if id in self._labels and id not in self.site.by_id}
        known = [
            self.site.by_id.get(id)
            or WithStrangers(catalogue()).get(id)  # reads the catalogue only for undeclared services
            for id in wanted
            if id != UNKNOWN_SERVICE and id not in marked
        ]
        if not all(known):
            return None
        if UNKNOWN_SERVICE in wanted:
            return PlaceholderView(self.say["placeholder.unknown"], self.say["placeholder.undeclared"])
        services = [service for service in known if service is not None]
        labels = [label for id, label in self._labels.items() if id in marked]
        name = self.join([self._name(service) for service in services] + labels)
        title = self.fill("placeholder.title", name=name)
        if not all(service in self.site.optional for service in services):
            return PlaceholderView(title, self.say["placeholder.undeclared"])
        vendors = (service_vendor(service, self.lang, self.site) or self._name(service) for service in services)
        vendor = self.join(dict.fromkeys(vendors))
        now = self._granted | {service.id for service in services}
        kept = self.decision.purposes & self._labels.keys() | marked
        return PlaceholderView(
            title=title,
            text=self.fill("placeholder.text", vendor=vendor) if vendor else self.say["placeholder.unknown"],
            allow=self.fill("placeholder.allow", name=name),
            purposes=tuple(sorted(kept)),
            services=tuple(sorted(now)),
            ids=",".join([*wanted, WHOLE] if whole else wanted),
            kind=services[0].kind if services else "",
            poster=next((service.poster for service in services if service.poster), ""),
        )

    def embeds(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return the sorted ids if visitors are asked about each of them; else an empty tuple."""
        wanted = tuple(sorted(ids))
        offered_now = {service.id for service in self.site.optional} | self._labels.keys() | {WHOLE}
        return wanted if offered_now.issuperset(wanted) else ()

    def country(self, code: str) -> str:
        """Return the name of a country; its code if we have no name."""
        return self.say.get(f"country.{code}", code)

    def join(self, items: Iterable[str]) -> str:
        """Return items as a list in a sentence: ``a, b and c``."""
        return listed(self.say, items, self.lang)


def href(text: str) -> str:
    """Return a URL that is safe to link to (a web page, a path of the site, or mail); else an empty string."""
    if re.match(r"https?://[^\s/]", text, re.IGNORECASE) or re.match(r"/(?![/\\])", text):
        return text
    if text.lower().startswith("mailto:"):
        return text
    return f"mailto:{text}" if _MAIL.fullmatch(text) else ""
