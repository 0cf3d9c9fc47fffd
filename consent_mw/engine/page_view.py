"""
One page view: what one visitor may run in one page of the app, and what is inserted into it.

Long because there is one object for a view, and all that depends on who asks stands in it.

A :class:`PageView` is made for every request and does nothing by itself. Its facts are the request and the site;
what follows from them (the choice that the cookie holds, the decision, the hold policy, the language, the policies)
is a cached property, worked out when somebody asks: the exchange, once the response is a page or names a cookie or an
address, or a view of the application. So a response that passes costs nothing here.

A page can teach the site something while it is being sent: then what follows for the banner is decided anew for the
site as it is now, and what was promised in the page's head stays.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from secrets import token_hex
from typing import cast
from urllib.parse import quote

from consent_mw.cookies import migrating
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.counts import BannerShown
from consent_mw.core.model import WHOLE
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Reason
from consent_mw.core.model import Record
from consent_mw.core.model import Service
from consent_mw.core.model import Signals
from consent_mw.counting.tally import Tally
from consent_mw.engine.app_caches import cache_that_listens
from consent_mw.engine.app_caches import warn_of
from consent_mw.engine.codings import known_codings
from consent_mw.engine.codings import known_names
from consent_mw.engine.live_site import GrowingSite
from consent_mw.engine.live_site import LiveSite
from consent_mw.engine.page_csp import PagePolicies
from consent_mw.engine.prepared import Prepared
from consent_mw.engine.sightings import PageSightings
from consent_mw.engine.sightings import Sightings
from consent_mw.html.csp import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import TOO_LONG
from consent_mw.http.caching import CachePlan
from consent_mw.http.caching import Caching
from consent_mw.http.caching import Scope
from consent_mw.http.caching import plan
from consent_mw.http.content_coding import Coding
from consent_mw.http.cookies import names_in
from consent_mw.http.headers import Headers
from consent_mw.http.intent import wants_banner
from consent_mw.http.page import PageInsert
from consent_mw.http.page_plans import AroundKey
from consent_mw.http.page_plans import PagePlans
from consent_mw.http.request import RequestHead
from consent_mw.http.tracker_cookies import expire
from consent_mw.http.tracker_cookies import is_own
from consent_mw.http.view import View
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.banner import state_of
from consent_mw.notice.panels import panel
from consent_mw.notice.reasked import news
from consent_mw.notice.wording import choose_language
from consent_mw.notice.wording import page_language
from consent_mw.on_change import OptOuts

logger = logging.getLogger("consent_mw")

#: An element that is nothing.
_SEPARATOR = b"<template></template>"
#: Length of a key in bytes, before it is written in hex.
_KEY_LENGTH = 8
#: What tells programs apart that ask for the same page; used within a keyed hash only.
_PERSONAL = ("cookie", "authorization", "user-agent", "accept-language", "x-forwarded-for")


@dataclass(frozen=True, slots=True)
class SiteParts:
    """
    What the page views of one site share.

    Args:
        growing: The site as it is, with what was learned.
        prepared: What is made once and kept.
        tally: Counts the banners shown.
        sightings: Counts what some of the pages load.
        once: Tells which embeds one view of a page shows.
        opt_outs: Hears of signals that take away what was granted.
        today: Gives whole days since 1970-01-01 UTC.
        hurry_opt_outs: Has the site's own code told of them soon.
    """

    growing: GrowingSite
    prepared: Prepared
    tally: Tally
    sightings: Sightings
    once: OneTime
    opt_outs: OptOuts
    today: Callable[[], int]
    hurry_opt_outs: Callable[[], object]


class PageView(View):
    """
    One view of a page; used by one request at a time.

    Args:
        parts: The site.
        head: The request, as the visitor sent it.
        root: The mount's full path.
        remote: The address that the request came from; it is looked up for its ISP and never kept.
    """

    def __init__(self, parts: SiteParts, head: RequestHead, root: str, remote: str) -> None:
        self.head = head
        self.root = root
        self.remote = remote
        self._parts = parts
        self._base = parts.growing.configured
        #: Whether the page began while the site had nothing to ask about, and may still teach it something.
        self._unguarded = False
        #: What the notice needs to know of each kind of place in the page.
        self._pages: dict[tuple[object, ...], NoticePage] = {}
        #: What the page loads, where this view is one of those that are looked at.
        self._sightings: PageSightings | None = None
        #: The headers of the page, for the cookies in them, and those cookies that were held.
        self._set_cookies: Headers = []
        self._held_cookies: list[str] = []

    # -- who asks, and what they have chosen

    @cached_property
    def site(self) -> LiveSite:
        """The site as it was when this view first needed it."""
        return self._parts.growing.now()

    @cached_property
    def choice(self) -> Record | NoRecord:
        """What the request's cookie says, or why it says nothing."""
        found = self.site.cookies.read(self.head)
        choice = migrating.refused_before(self.site.site, self.head, found, self._parts.today())
        if self._base.grows and isinstance(choice, Record):
            site = self.site.site
            if choice.revision != site.revision or not choice.services <= site.by_id.keys():
                # Another process may have learned a service, and asked about it, since this one last looked.
                self.site = self._parts.growing.renewed()
        return choice

    @cached_property
    def takes(self) -> bool:
        """Whether the visitor granted something with another tool that can be taken over."""
        if not self._base.migrate_from:
            return False
        return migrating.granted_before(self.site.site, self.head, self.choice, self._parts.today()) is not None

    @cached_property
    def own_decision(self) -> Decision:
        """What holds for this visitor, whoever else the page is made for."""
        choice, signals, today = self.choice, self.head.signals, self._parts.today()
        if self._parts.opt_outs.saw(self.site.site, choice, signals, today):
            self._parts.hurry_opt_outs()
        return self.site.decide(choice, signals, today)

    @cached_property
    def cookie_name(self) -> str | None:
        """The name of a cookie of ours for this host alone, or None where none can be kept."""
        return self.site.cookies.name(self.head)

    @cached_property
    def cache_plan(self) -> CachePlan:
        """Who may keep the page, and the decision that it is made from."""
        if self._base.caching == "private" or not wants_banner(self.head) or self.cookie_name is None:
            return CachePlan(self.own_decision)
        arrived = self.site.cookies.readable(self.head) if self._base.caching == "class" else None
        return plan(self.site.site, self.head, self.own_decision, arrived, self.site.undecided)

    @cached_property
    def decision(self) -> Decision:
        """What the page is made from: the visitor's own decision, or that of everybody who gets the page."""
        return self.cache_plan.decision

    def ask(self) -> Decision:
        """Return the decision to the application, whose response may depend on it from now on."""
        cache, asking = cache_that_listens()
        if cache:
            warn_of(cache, asking)
            return self.site.undecided
        self.asked = True
        return self.decision

    @cached_property
    def for_all(self) -> bool:
        """Whether the page is the same for everybody."""
        return self.cache_plan.caching.scope is Scope.ALL

    @cached_property
    def once(self) -> frozenset[str]:
        """The services whose embeds this one view shows, which the visitor asked for by a click."""
        if self.cookie_name is None or self.for_all:
            return frozenset()
        return self._parts.once.read(self.cookie_name, self.head, self.back)

    @cached_property
    def caching(self) -> Caching:
        """Who may keep the page."""
        return Caching(stored=False) if self.once else self.cache_plan.caching

    @cached_property
    def told(self) -> RequestHead:
        """The request as far as the page may depend on it: nothing of the visitor where it is for everybody."""
        if not self.for_all:
            return self.head
        headers = tuple(pair for pair in self.head.headers if pair[0] not in ("cookie", "sec-gpc"))
        return replace(self.head, headers=headers)

    @property
    def found(self) -> Record | NoRecord:
        """The choice that the page is made from, or why there is none."""
        return NoRecord.ABSENT if self.for_all else self.decision.record or self.choice

    @cached_property
    def path(self) -> str:
        """The path of the page, as the visitor sees it."""
        return self.root.removesuffix(self._base.mount) + self.head.path

    @cached_property
    def back(self) -> str:
        """Path and query of the page."""
        return f"{self.path}?{self.head.query}" if self.head.query else self.path

    @property
    def quiet(self) -> bool:
        """Whether the owner wants no notice here, so that nobody is asked and counted."""
        return self._parts.prepared.quiet.hold(self.head.host, self.path)

    # -- what may run

    @cached_property
    def hold_policy(self) -> HoldPolicy:
        """What may run for this visitor in this page."""
        return self._parts.prepared.hold_policy(self.decision, self.root, self.site.places, self.once)

    @property
    def reading_policy(self) -> HoldPolicy:
        """The same for a pass that reads the page: some of them are looked at, for the inventory."""
        if self._sightings is None:
            self._sightings = self._parts.sightings.look(self.path)
        return self.hold_policy if self._sightings is None else self.hold_policy.watched(self._sightings.loaded)

    @property
    def plans(self) -> PagePlans | None:
        """What was done to the site's pages before; None for a view that the inventory has waited for."""
        return None if self._parts.sightings.due(self.path) else self._parts.prepared.plans

    @property
    def undecided_policy(self) -> HoldPolicy:
        """What may run for a visitor who granted nothing."""
        return self._parts.prepared.hold_policy(self.site.undecided, self.root, self.site.places)

    @property
    def allowed(self) -> frozenset[str]:
        """The ids of the services and purposes that may run, those of single embeds among them."""
        return self.hold_policy.allowed | self.once

    @property
    def running(self) -> list[Service]:
        """The declared services that may run."""
        return [service for service in self.site.site.services if service.id in self.allowed]

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be opened here."""
        return known_codings()

    @property
    def coding_names(self) -> frozenset[str]:
        """The names of :attr:`codings`."""
        return known_names()

    # -- cookies

    @property
    def hides_cookies(self) -> bool:
        """Whether cookies of what is held are kept from the app."""
        return self._base.hide_cookies

    def holds_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something held."""
        held = self._holds(name, lambda: self.decision.granted)
        if held:
            self._held_cookies.append(name)
        return held

    def could_hold_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to something that waits for a choice."""
        return self._holds(name, lambda: self.site.necessary)

    def _holds(self, name: str, granted: Callable[[], Set[str]]) -> bool:
        ids = self.site.services_of(name)
        if not ids or is_own(name):
            return False
        # Services of one vendor may share a cookie: as long as one of them runs, it stays.
        return ids.isdisjoint(granted()) and not ids.isdisjoint(self.site.optional)

    def cookies_set_right(self) -> list[str]:
        """Return Set-Cookie values that take held cookies away, and let the readable cookie say what holds."""
        cookies, own = self.site.cookies, self.own_decision
        name = self.cookie_name
        values = [self._parts.once.gone(name)] if self.once and name is not None else []
        if self.cache_plan.right is not None:
            age = self._parts.today() - own.record.day if own.record is not None else 0
            values.append(cookies.readable_cookie(self.cache_plan.right, self.head, age=age))
        names = [name for name in names_in(self.head) if self._holds(name, lambda: own.granted)]
        if names:
            held = [service for service in self.site.site.optional if service.id not in own.granted]
            values += expire(names, held, self.head.host, self.path)
        return values

    # -- the page's policies

    @cached_property
    def csp(self) -> PagePolicies:
        """The Content-Security-Policies of the page."""
        return PagePolicies(self._parts.prepared.policing, self)

    def headers(self, headers: Headers) -> Headers:
        """Return the headers of the page with policies that let in what is inserted."""
        self._set_cookies = headers
        return self.csp.adapt(headers)

    def meta_csp(self, text: str) -> list[Edit]:
        """Return what to insert into a policy that stands in the page."""
        return self.csp.amend(text)

    def all_of_ours(self) -> bytes:
        """Return what may be inserted into the page, all of it inline, or nothing."""
        now = self._parts.growing.now()
        if self.cookie_name is None or self.quiet:
            return b""
        page = NoticePage(self._decision_for(now), now.site.languages[0], "", "/", self.root, linked=False)
        parts = [now.insertions.head(page), now.insertions.body(page)]
        if self._base.learning:
            parts.append(self._parts.prepared.lesson(self.root))
        if any(parts):
            parts.append(self._parts.prepared.queues.markup(page, self._parts.prepared.queues.example))
        return b"".join(parts)

    # -- what is inserted

    @property
    def mark(self) -> str:
        """The tag by which an author may ask for the banner in another place than first in the body."""
        return f'<wbr data-cmw-place="{self._parts.growing.now().cookies.mark}">'

    @cached_property
    def key(self) -> str:
        """
        What marks of ours carry in this response, so that the runtime knows what the server held.

        It is drawn at random for every response to a browser, so nobody knows it who writes a comment. In a page that
        caches keep it is no secret to who reads the page: there the guard keeps it out of what scripts put in. A
        program that says it is none gets the same key for the same request, since it may compare what it gets; it
        releases nothing (docs/decisions/0041-random-keys.md).
        """
        if self._asked_by_browser:
            return token_hex(_KEY_LENGTH)
        facts = [self.back, str(self._parts.today())]
        if self.caching.scope is Scope.ONE:
            facts += [self.head.header(name) or "" for name in _PERSONAL]
        return self._parts.growing.now().cookies.page_key(*facts)

    @property
    def _asked_by_browser(self) -> bool:
        """Whether the request may come from something that runs scripts: all browsers in use say one or the other."""
        head = self.head
        return head.header("sec-fetch-mode") is not None or "Mozilla/" in (head.header("user-agent") or "")

    @cached_property
    def language(self) -> str:
        """The language of the notice that the browser asks for; a page that names its own goes before it."""
        languages = self.site.languages
        if len(languages) == 1:
            return languages[0]
        return choose_language(self.site.site, self.head.header("accept-language") or "")

    def first(self, place: PageInsert) -> bytes:
        """Return what runs before everything else in the page."""
        if self._sightings is not None:
            self._sightings.begin()
            self._sightings.cookies(self._set_cookies, self._held_cookies, self._parts.prepared.services_of)
        now = self._parts.growing.now()
        page = self._page(now, place)
        if WHOLE in self.once:
            # What an embed brings at run time may load in this one view.
            page = replace(page, decision=replace(page.decision, granted=page.decision.granted | self.once))
        markup = now.insertions.head(page)
        self._unguarded = self._base.learning and not now.site.optional
        return markup

    def _learn(self, place: PageInsert, ids: frozenset[str]) -> bytes:
        """
        Hear what is held on a site that learns, and return what should have run first.

        The first view that ever holds something began without the guard: it goes before what was held, so that
        nothing behind it is without.
        """
        if ids and self._base.learning:
            self._parts.growing.saw(ids)
        if not self._unguarded:
            return b""
        now = self._parts.growing.now()
        self._unguarded = not now.site.optional
        return now.insertions.head(self._page(now, place))

    def before_script(self, place: PageInsert, ids: tuple[str, ...], code: bytes) -> bytes:
        """Return what a held script would have left for the site's own code to call."""
        guard = self._learn(place, frozenset(ids)) if self._unguarded else b""
        page = self._page(self._parts.growing.now(), place)
        return guard + self._parts.prepared.queues.markup(page, ids, code.decode("utf-8", "replace"))

    def panel(self, place: PageInsert, ids: tuple[str, ...], height: int) -> bytes:
        """Return what stands for embeds of these services that a script would make."""
        now = self._parts.growing.now()
        return panel(self._page(now, place), now.site.by_id, ids, height)

    def banner(self, place: PageInsert) -> bytes:
        """Return the banner, or what opens the preferences again; nothing where nothing is held on the site."""
        parts = self._parts
        guard = self._learn(place, place.place.held)
        if self.quiet:
            return guard
        now = parts.growing.now()
        if self.cookie_name is None:
            # Plain http elsewhere than on localhost: no answer could be kept, so nobody is asked and all stays held.
            parts.prepared.warn_insecure()
            return guard
        page = self._page(now, place)
        self.again(self._shown(now, page))
        ours = now.insertions.body(page)
        # What stands before them must not count among the parts that our runtime knows as ours.
        behind = place.place.asked or place.place.at_end
        return guard + (_SEPARATOR + ours if behind and ours else ours)

    # -- what is inserted into a page that was sent before

    @cached_property
    def kind(self) -> Hashable | None:
        """What all that the view inserts depends on, beside the page and :attr:`key`; None where that is not all."""
        now = self._parts.growing.now()
        teaches = self._base.learning and not now.site.optional
        # Whoever asks may make up as many queries as there is room for.
        if teaches or self.cookie_name is None or self.once or self.quiet or self.head.query or self.csp.demand:
            return None
        decision = self._decision_for(now)
        if self._news(now, decision, self.language):
            return None
        return (
            now.number,
            decision.granted,
            decision.purposes,
            decision.prompt,
            decision.reason,
            decision.gpc,
            decision.record.action if decision.record is not None else None,
            self.language,
            self.root,
            self.for_all,
            decision.prompt and self.takes,
        )

    def around_key(self, question: str, place: PageInsert, *arguments: object) -> AroundKey | None:
        """Return what stands around the key in an answer; None if other views of this kind may answer otherwise."""
        now, at = self._parts.growing.now(), place.place
        page = self._page(now, place)
        if page.nonce or at.policies or at.foreign_base or not page.key:
            return None
        if question == "first":
            return AroundKey(now.insertions.head_around_key(page))
        if question == "insert":
            pieces = now.insertions.body_around_key(page)
            behind = (at.asked or at.at_end) and any(pieces)
            return AroundKey((_SEPARATOR + pieces[0], *pieces[1:]) if behind else pieces, self._shown(now, page))
        if question == "queue":
            ids, code = arguments
            text = cast(bytes, code).decode("utf-8", "replace")
            return AroundKey((self._parts.prepared.queues.markup(page, cast(tuple[str, ...], ids), text),))
        return None

    @staticmethod
    def _shown(now: LiveSite, page: NoticePage) -> BannerShown | Signals | None:
        """Return what is to be counted of a page: that its banner was shown, or that a signal answered."""
        decision = page.decision
        if decision.prompt:
            return BannerShown(page.lang, now.site.layout, decision.gpc, now.notice.digest[:12])
        if decision.gpc and decision.reason not in (Reason.CHOSEN, Reason.NOTHING_TO_ASK):
            return Signals(gpc=True)
        return None

    def again(self, shown: object) -> None:
        """Count what the page shows."""
        if isinstance(shown, BannerShown):
            self._parts.tally.shown(self.told, self.remote, shown)
        elif isinstance(shown, Signals):
            self._parts.tally.signalled(self.told, self.remote)

    def variant(self) -> str:
        """Return what the rewritten page depends on beside the app's own, as some hex digits."""
        now, decision = self._parts.growing.now(), self.decision
        depends = (
            now.notice.digest,
            self._parts.prepared.assets.digest,
            self.root,
            self.language,
            sorted(decision.granted),
            sorted(decision.purposes),
            decision.prompt,
            decision.gpc,
            state_of(decision),
            wants_banner(self.told) and not self.included(),
            self.caching.scope.value,
            sorted(self.once),
            self.takes,
            self._news(now, decision, self.language),
            self._parts.prepared.holding,
        )
        return hashlib.sha256(repr(depends).encode()).hexdigest()[:12]

    def _page(self, now: LiveSite, place: PageInsert) -> NoticePage:
        """Return what the notice needs to know of the page, by what has been learned until now."""
        at = place.place
        # Most places of a page are alike, and nothing else of it changes while it is sent.
        kind = (now, at.policies, at.foreign_base, at.lang, place.xml, place.utf8, self.csp.closed)
        page = self._pages.get(kind)
        if page is None:
            page = self._pages[kind] = self._page_of(now, place)
        return page

    def _page_of(self, now: LiveSite, place: PageInsert) -> NoticePage:
        terms = self.csp.terms(place.place.policies)
        decision = self._decision_for(now)
        lang = self.language
        if len(now.languages) > 1:
            lang = page_language(now.site, place.place.lang) or lang
        return NoticePage(
            decision=decision,
            lang=lang,
            nonce=terms.nonce,
            back=self.back,
            root=f"//{quote(self.head.host, safe=':[]')}{self.root}" if place.place.foreign_base else self.root,
            inline=terms.inline,
            xml=place.xml,
            utf8=place.utf8,
            linked=terms.linked,
            loads=terms.loads,
            closed=self.csp.closed,
            shared=self.for_all,
            key=self.key,
            news=self._news(now, decision, lang),
            take=decision.prompt and self.takes,
        )

    def _decision_for(self, now: LiveSite) -> Decision:
        """Return what the page is made from on the site as it is now, which may have learned since the request came."""
        if now is self.site:
            return self.decision
        return now.decide(self.found, self.told.signals, self._parts.today())

    def _news(self, now: LiveSite, decision: Decision, lang: str) -> str:
        """Return why this visitor is asked again; nothing for a page that caches keep for others."""
        if not decision.prompt or self.caching.scope is not Scope.ONE:
            return ""
        return news(now.site, decision, self.found, lang, self._parts.today())

    # -- parts of pages that a server in front puts together

    def included(self) -> bool:
        """Return whether other pages include what is at this address, as far as this process has seen."""
        return self._parts.prepared.included(self.head.path, self.path)

    def includes(self, path: str) -> None:
        """Hear that the page includes what is at ``path``."""
        self._parts.prepared.note_included(path)

    # -- what becomes of it

    def held(self, ids: frozenset[str]) -> None:
        """Hear what was held in the page."""
        self._parts.prepared.tell_of_strangers(ids)
        if self._sightings is not None:
            self._sightings.code(ids)
        if TOO_LONG in ids:
            logger.warning(
                "%s: a tag, or an inline script sixteen times as long, is longer than hold_back (%d bytes) and was held"
                " without being read. Raise site.hold_back",
                self.head.path,
                self._base.hold_back,
            )
        self._parts.growing.saw(ids)

    def failed(self, what: str, error: BaseException | None) -> None:
        """Log why the page was not sent."""
        logger.error("%s %s: %s", self.head.method, "a page was held back", what, exc_info=error)
