"""
The declaration of services and cookies for visitors, generated from the configuration and the catalogue.

====================  ============================================================
GET /policy           our own page
GET /policy?embed     the same as an HTML fragment without head and styles, for the owner's
                      own page; ``level=3`` sets the level of its first headings
GET /gpc.json         that the site honours Global Privacy Control; the engine also
                      answers for it at ``/.well-known/gpc.json``
====================  ============================================================

It contains only known facts: if a country or a retention period is unknown, it says so. It is the same for every
visitor.

:func:`policy_html` makes the fragment for templates. Its ids begin with ``cmw-policy-``, and it has no styles.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask
from flask import Response
from flask import jsonify
from flask import render_template
from flask import request
from markupsafe import Markup

from consent_mw.cookies import choice
from consent_mw.cookies import objection
from consent_mw.cookies.load_once import SUFFIX as ONCE
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Signals
from consent_mw.core.days import iso
from consent_mw.core.decide import decide
from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.http.cookies import MAX_DAYS
from consent_mw.notice.escaping import linked
from consent_mw.notice.languages import nearest
from consent_mw.notice.wording import counted
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import service_description
from consent_mw.notice.wording import service_name
from consent_mw.web.context import WebContext
from consent_mw.web.values import Fact
from consent_mw.web.values import Pages
from consent_mw.web.values import PurposeView
from consent_mw.web.values import href
from consent_mw.web.visit import frame
from consent_mw.web.visit import visit_of

if TYPE_CHECKING:
    from jinja2 import Environment

#: The browsers' own pages on deleting and blocking cookies.
BROWSERS = (
    ("Chrome", "https://support.google.com/chrome/answer/95647"),
    ("Edge", "https://support.microsoft.com/microsoft-edge"),
    ("Firefox", "https://support.mozilla.org/kb/clear-cookies-and-site-data-firefox"),
    ("Opera", "https://help.opera.com/latest/web-preferences/#cookies"),
    ("Safari", "https://support.apple.com/guide/safari/sfri11471/mac"),
)
#: The joint opt-out of advertising companies.
TOGETHER = ("Your Online Choices", "https://www.youronlinechoices.eu/")

#: The day on which this package last changed how it honours Global Privacy Control: 2026-11-22.
HONOURED_SINCE = 20_779


@dataclass(frozen=True, slots=True)
class Declared:
    """One service in the declaration."""

    id: str
    name: str
    description: str
    #: The language of the description, if it differs from the page's.
    lang: str
    facts: tuple[Fact, ...]
    also: str
    manager: bool


@dataclass(frozen=True, slots=True)
class PurposeSection:
    """One purpose with the services that are listed under it."""

    id: str
    label: str
    description: str
    bases: tuple[str, ...]
    services: tuple[Declared, ...]
    shared: str


@dataclass(frozen=True, slots=True)
class OwnStorage:
    """One cookie or storage key that the site itself sets."""

    name: str
    text: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One line of the history."""

    day: str
    iso_day: str
    text: str
    lang: str


class Declaration:
    """
    The values of one site's declaration in one language, as its template shows them.

    Args:
        site: The current site.
        lang: One of the site's languages.
        today: Whole days since 1970-01-01 UTC; later changes are not shown yet.
    """

    def __init__(self, site: Site, lang: str, today: int) -> None:
        self.site = site
        self._today = today
        self._pages = Pages(site, decide(site, NoRecord.ABSENT, Signals(), today), NoRecord.ABSENT, lang)
        self.say = self._pages.say
        self.responsible = self._pages.responsible()
        self.counting = self._pages.counting()

    def parts(self) -> tuple[PurposeSection, ...]:
        """Return the necessary services, if there are any, then each purpose that visitors are asked about."""
        necessary = self._pages.necessary()
        views = [*([necessary] if necessary.services else []), *self._pages.purposes()]
        return tuple(self._part(view) for view in views)

    def _part(self, view: PurposeView) -> PurposeSection:
        using = [service for service in self.site.services if view.id in service.purposes]
        # The legal basis of services that are held is consent, even if no service has the purpose. For services that
        # run without consent it is never consent, even if no other basis is configured.
        bases = ["consent"]
        if view.id == NECESSARY:
            bases = list(dict.fromkeys(one.lawful_basis for one in using if one.lawful_basis != "consent"))
        return PurposeSection(
            id=view.id,
            label=view.label,
            description=view.description,
            bases=tuple(self.say[f"basis.{basis}"] for basis in bases),
            services=tuple(
                Declared(
                    id=service.id,
                    name=service.name,
                    description=service.description,
                    lang=service_description(self.site.by_id[service.id], self._pages.lang, self.site)[1],
                    facts=tuple(self._facts(self.site.by_id[service.id], service.facts, several=len(bases) > 1)),
                    also=service.also,
                    manager=self.site.by_id[service.id].manager,
                )
                for service in view.services
            ),
            shared=view.shared,
        )

    def _facts(self, service: Service, known: Iterable[Fact], *, several: bool) -> Iterable[Fact]:
        facts = list(known)
        yield from (fact for fact in facts if not fact.href)
        if several and service.lawful_basis != "consent":
            yield Fact(self.say["policy.basis"], self.say[f"basis.{service.lawful_basis}"])
        for value, key in ((service.country, "page.country"), (service.retention_days, "page.retention")):
            if not value:
                yield Fact(self.say[key], self.say["policy.unknown"])
        yield from (fact for fact in facts if fact.href)

    def _other(self, text: Mapping[str, str]) -> str:
        """Return the language of a shown text if it differs from the page's; else an empty string."""
        tag = nearest(self._pages.lang, text)
        return "" if tag or not text else nearest("en", text) or next(iter(text))

    def own(self) -> tuple[OwnStorage, ...]:
        """Return the cookies that we may set."""
        say, site = self.say, self.site
        if not site.optional:
            return ()
        name = choice.SHARED_NAME if site.cookie_domain else choice.SECURE_NAME
        kept = Fact(say["page.retention"], counted(say, "page.days", site.choice_days))
        found = [OwnStorage(name, say["policy.own.choice"], (kept,))]
        if site.caching != "private":
            found.append(OwnStorage(name + choice.STATE_SUFFIX, say["policy.own.state"], (kept,)))
        if site.counters != "off":
            days = Fact(say["page.retention"], counted(say, "page.days", MAX_DAYS))
            found.append(OwnStorage(objection.SECURE_NAME, say["policy.own.counting"], (days,)))
        if any(service.embed for service in site.optional):
            found.append(OwnStorage(choice.SECURE_NAME + ONCE, say["policy.own.once"], ()))
        return tuple(found)

    def record(self) -> Fact | None:
        """Return how long a grant is kept; None if visitors are not asked."""
        if not self.site.optional:
            return None
        return Fact(self.say["page.retention"], counted(self.say, "page.days", self.site.record_days))

    @property
    def advertises(self) -> bool:
        """Whether a service needs permission for marketing."""
        return any(MARKETING in service.purposes for service in self.site.optional)

    def providers(self) -> tuple[Fact, ...]:
        """Return the opt-outs that providers offer themselves, each URL once."""
        found: dict[str, list[str]] = {}
        for service in self.site.optional:
            if href(service.opt_out):
                found.setdefault(href(service.opt_out), []).append(service_name(service, self._pages.lang, self.site))
        return tuple(Fact("", self._pages.join(names), address) for address, names in found.items())

    def changes(self) -> tuple[Changed, ...]:
        """Return the past changes, latest first."""
        past = sorted((one for one in self.site.changes if one.day <= self._today), key=lambda one: -one.day)
        return tuple(
            Changed(
                day=self._pages.date(one.day),
                iso_day=iso(one.day),
                text=localised(one.text, self._pages.lang),
                lang=self._other(one.text),
            )
            for one in past
        )


def policy_html(site: Site, lang: str, *, root: str, today: int, level: int = 2, query: str = "") -> Markup:
    """
    Return the declaration as an HTML fragment for any page.

    Args:
        site: The current site.
        lang: One of the site's languages.
        root: The mount's full path, for example ``/_cmw``.
        today: Whole days since 1970-01-01 UTC.
        level: The level of the first headings, 1 to 4; there are two levels below them.
        query: The query of links to our other pages.
    """
    pages = Declaration(site, lang, today)
    text = (
        _templates()
        .get_template("policy_part.html")
        .render(
            it=pages,
            say=pages.say,
            site=site,
            lang=lang,
            dir=direction(lang),
            root=root,
            query=f"?{query}" if query else "",
            level=min(max(level, 1), 4),
            browsers=BROWSERS,
            together=TOGETHER,
        )
    )
    return Markup(text)  # noqa: S704 - the template has escaped everything


@cache
def _templates() -> Environment:
    """Return the template environment, which works inside and outside of a request."""
    from jinja2 import Environment
    from jinja2 import PackageLoader

    from consent_mw.web.kept_templates import keep_compiled

    loader = PackageLoader("consent_mw.web")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["linked"] = linked
    keep_compiled(environment, "parts")
    return environment


def gpc_day(site: Site, today: int) -> int:
    """Return the day of the last known change in how the site honours the signal."""
    changes = [one.day for one in site.changes if one.day <= today]
    return max(HONOURED_SINCE, *changes) if changes else HONOURED_SINCE


def register(app: Flask, context: WebContext) -> None:
    """Add the pages to the application."""

    @app.get("/policy")
    def policy() -> Response:
        visit = visit_of(context).in_language(request.args.get("lang", ""))
        embedded = "embed" in request.args
        asked = request.args.get("back", "")
        around = frame(context, visit, visit.back(asked))
        carried = str(around["carried"]) if asked or not embedded else ""
        level = request.args.get("level", "", str)
        content = policy_html(
            visit.site,
            visit.lang,
            root=visit.root,
            today=context.today(),
            level=int(level) if embedded and level in {"1", "2", "3", "4"} else 2,
            query=carried,
        )
        return Response(content if embedded else render_template("policy.html", **around, content=content))

    @app.get("/gpc.json")
    def gpc() -> Response:
        site = context.site()
        answer = jsonify({"gpc": True, "lastUpdate": iso(gpc_day(site, context.today()))})
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer
