"""
One page view: what one visitor may run in one page of the application, and what is inserted into it.

Long because there is one object for a view, and it contains everything that depends on the visitor.

A :class:`PageView` is created for every request and does nothing by itself. It has the request and the site. Everything
that follows from them (the choice in the cookie, the decision, the hold policy, the language, the policies) is a cached
property. The exchange reads these once the response turns out to be a page or to have headers with cookies or
addresses; a view of the application may read them, too. So a response that passes costs nothing here.

A site can learn a service from a page. If nothing of the page has been sent yet, it is made once more, for the site
that knows the service. Otherwise the banner is made for the site as it is now, and what was sent in the page's head
stays.
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
from os import urandom
from typing import cast
from urllib.parse import quote

from consent_mw.cookies.load_once import OneTime
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.counts import BannerShown
from consent_mw.core.lazy import lazy
from consent_mw.core.model import WHOLE
from consent_mw.core.model import Service
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
from consent_mw.engine.wordings import WordingDraw
from consent_mw.html.csp import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.state import named_in
from consent_mw.http.asked import Asker
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
from consent_mw.proof.lost import LostRecords

logger = logging.getLogger("consent_mw")

#: An element without effect.
_SEPARATOR = b"<template></template>"
#: The length of a key in bytes, before it is encoded in hex.
_KEY_LENGTH = 8
#: Request headers that distinguish clients of the same page; used only in a keyed hash.
_PERSONAL = ("cookie", "authorization", "user-agent", "accept-language", "x-forwarded-for")


@dataclass(frozen=True, slots=True)
class SiteParts:
    """
    The objects that the page views of one site share.

    Args:
        growing: The site with the services that it has learned.
        prepared: Objects that are created once and kept.
        tally: Counts the banners shown.
        sightings: Counts what a sample of the pages loads.
        once: Reads which embeds a single view of a page shows.
        opt_outs: Records signals that revoke what was granted.
        lost: Finds the records that the store has lost.
        today: Returns the day as whole days since 1970-01-01 UTC.
        wordings: Draws the wording of a visit.
        hurry_opt_outs: Makes the site's own code be notified of such signals soon.
    """

    growing: GrowingSite
    prepared: Prepared
    tally: Tally
    sightings: Sightings
    once: OneTime
    opt_outs: OptOuts
    lost: LostRecords
    today: Callable[[], int]
    wordings: WordingDraw
    hurry_opt_outs: Callable[[], object]


class PageView(View):
    """
    One view of a page; used by one request at a time.

    Args:
        parts: The shared objects of the site.
        head: The request as the visitor sent it.
        root: The full path of the mount.
        remote: The client's IP address; its ISP is looked up, and the address is never stored.
    """

    def __init__(self, parts: SiteParts, head: RequestHead, root: str, remote: str) -> None:
        self.head = head
        self.root = root
        self.remote = remote
        self._parts = parts
        self._base = parts.growing.configured
        #: Whether the page started without the guard because the site had nothing to ask about, but may still learn.
        self._unguarded = False
        #: The site for which the page started.
        self._began: LiveSite | None = None
        #: Whether the page was counted.
        self._counted = False
        #: The input of the notice for each kind of place in the page.
        self._pages: dict[tuple[object, ...], NoticePage] = {}
        #: Records what the page loads, if this view is in the sample.
        self._sightings: PageSightings | None = None
        #: The headers of the page, for their cookies, and the names of the cookies that were held.
        self._set_cookies: Headers = []
        self._held_cookies: list[str] = []

    # -- the visitor and the choice

    @lazy
    def site(self) -> LiveSite:
        """The site as it was when this view first needed it."""
        return self._now()

    def _now(self) -> LiveSite:
        """Return the site as it is now, in the words that this visit gets."""
        now = self._parts.growing.now()
        return now.worded(self.wording) if now.wordings else now

    @lazy
    def wording(self) -> str:
        """The wording of the notice that this visit gets; empty for the site's own words."""
        return self._parts.wordings.of(self.head, self.remote)

    @lazy
    def choice(self) -> Record | NoRecord:
        """The choice in the request's cookie, or the reason why there is none."""
        choice = self.site.cookies.read(self.head)
        if self._base.migrate_from:
            from consent_mw.cookies.migrating import refused_before  # here, since few sites come from another tool

            choice = refused_before(self.site.site, self.head, choice, self._parts.today())
        if self._base.grows and isinstance(choice, Record):
            site = self.site.site
            if choice.revision != site.revision or not choice.services <= site.by_id.keys():
                # Another process may have learned a service, and asked about it, since this one last checked.
                self._parts.growing.renewed()
                self.site = self._now()
        return choice

    @lazy
    def takes(self) -> bool:
        """Whether the visitor granted something in another consent tool, and the grant can be migrated."""
        if not self._base.migrate_from:
            return False
        from consent_mw.cookies.migrating import granted_before

        return granted_before(self.site.site, self.head, self.choice, self._parts.today()) is not None

    @lazy
    def own_decision(self) -> Decision:
        """The decision of this visitor, even if the page is made for others, too."""
        choice, signals, today = self.choice, self.head.signals, self._parts.today()
        if self._parts.opt_outs.saw(self.site.site, choice, signals, today):
            self._parts.hurry_opt_outs()
        if isinstance(choice, Record):
            self._parts.lost.saw(choice, self.site.site.revision)
        return self.site.decide(choice, signals, today)

    @lazy
    def cookie_name(self) -> str | None:
        """The name of our cookie, which is for this host only; None if no cookie can be stored."""
        return self.site.cookies.name(self.head)

    @lazy
    def cache_plan(self) -> CachePlan:
        """Who may keep the page, and the decision that it is made for."""
        if self._base.caching == "private" or not wants_banner(self.head) or self.cookie_name is None:
            return CachePlan(self.own_decision)
        arrived = self.site.cookies.readable(self.head) if self._base.caching == "class" else None
        return plan(self.site.site, self.head, self.own_decision, arrived, self.site.undecided)

    @lazy
    def decision(self) -> Decision:
        """The decision that the page is made for: the visitor's own, or the one that everybody who gets it shares."""
        return self.cache_plan.decision

    def ask(self, asker: Asker | None = None) -> Decision:
        """
        Return the decision for the application; from now on its response may depend on it.

        Args:
            asker: The request, to find caches around code that runs in another thread or task.
        """
        cache, asking = cache_that_listens(asker)
        if cache:
            warn_of(cache, asking)
            return self.site.undecided
        self.asked = True
        return self.decision

    @lazy
    def for_all(self) -> bool:
        """Whether the page is the same for everybody."""
        return self.cache_plan.caching.scope is Scope.ALL

    @lazy
    def once(self) -> frozenset[str]:
        """The services whose embeds are shown in this view only, because the visitor clicked to load them once."""
        if self.cookie_name is None or self.for_all:
            return frozenset()
        return self._parts.once.read(self.cookie_name, self.head, self.back)

    @lazy
    def caching(self) -> Caching:
        """Who may keep the page."""
        return Caching(stored=False) if self.once else self.cache_plan.caching

    @lazy
    def told(self) -> RequestHead:
        """The part of the request that the page may depend on; without cookies and signals if it is for everybody."""
        if not self.for_all:
            return self.head
        headers = tuple(pair for pair in self.head.headers if pair[0] not in ("cookie", "sec-gpc"))
        return replace(self.head, headers=headers)

    @property
    def found(self) -> Record | NoRecord:
        """The choice that the page is made for, or the reason why there is none."""
        return NoRecord.ABSENT if self.for_all else self.decision.record or self.choice

    @lazy
    def path(self) -> str:
        """The path of the page as the visitor sees it."""
        return self.prefix + self.head.path

    @property
    def prefix(self) -> str:
        """What precedes the path of the request in the address that the visitor sees; empty if nothing does."""
        return self.root.removesuffix(self._base.mount)

    @lazy
    def back(self) -> str:
        """The path and query of the page, for links back to it."""
        return f"{self.path}?{self.head.query}" if self.head.query else self.path

    @property
    def quiet(self) -> bool:
        """Whether the owner has turned the notice off here, so that visitors are neither asked nor counted."""
        return self._parts.prepared.quiet.hold(self.head.host, self.path)

    @property
    def _has_control(self) -> bool:
        """Whether the notice, or the control that reopens it, is inserted into this visitor's whole page."""
        return wants_banner(self.head) and not self.quiet and self.cookie_name is not None

    # -- what may run

    @lazy
    def hold_policy(self) -> HoldPolicy:
        """The hold policy for this visitor in this page."""
        return self._parts.prepared.hold_policy(self.decision, self.root, self.site.places, self.once)

    @property
    def reading_policy(self) -> HoldPolicy:
        """The hold policy for a pass that parses the page; for the inventory it records a sample of the pages."""
        if self._sightings is None:
            self._sightings = self._parts.sightings.look(self.path)
        return self.hold_policy if self._sightings is None else self.hold_policy.watched(self._sightings.loaded)

    @property
    def plans(self) -> PagePlans | None:
        """The plans from earlier passes over the site's pages; None for a view that is due for the inventory."""
        return None if self._parts.sightings.due(self.path) else self._parts.prepared.plans

    @property
    def undecided_policy(self) -> HoldPolicy:
        """The hold policy for a visitor who granted nothing."""
        return self._parts.prepared.hold_policy(self.site.undecided, self.root, self.site.places)

    @property
    def allowed(self) -> frozenset[str]:
        """The ids of the services and purposes that may run, including embeds that are loaded once."""
        return self.hold_policy.allowed | self.once

    @property
    def running(self) -> list[Service]:
        """The declared services that may run."""
        return [service for service in self.site.site.services if service.id in self.allowed]

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be decoded here."""
        return known_codings()

    @property
    def coding_names(self) -> frozenset[str]:
        """The names of :attr:`codings`."""
        return known_names()

    # -- cookies

    @property
    def hides_cookies(self) -> bool:
        """Whether cookies of held services are removed from the request before the application sees it."""
        return self._base.hide_cookies

    def hides_cookie(self, name: str) -> bool:
        """Return whether a cookie of the request belongs to a held service."""
        return self._holds(name, lambda: self.decision.granted)

    def holds_cookie(self, name: str) -> bool:
        """
        Return whether a cookie of the response belongs to a held service.

        A tracker that is not declared is held, too. The site learns it, or logs how to declare it.
        """
        held = self.held_by_cookie(name)
        if held:
            self._held_cookies.append(name)
            self._parts.growing.saw(frozenset(held))
        return bool(held)

    def held_by_cookie(self, name: str) -> list[str]:
        """Return the ids of the held services to which a cookie of the response belongs."""
        if self._holds(name, lambda: self.decision.granted):
            return sorted(self.site.services_of(name))
        tracker = self._undeclared_tracker(name)
        return [tracker] if tracker else []

    def could_hold_cookie(self, name: str) -> bool:
        """Return whether a cookie belongs to a service that needs consent."""
        return self._holds(name, lambda: self.site.necessary) or bool(self._undeclared_tracker(name))

    def _undeclared_tracker(self, name: str) -> str:
        """Return the id of the tracker that a cookie surely belongs to; empty if there is none or it is declared."""
        if is_own(name) or self.site.services_of(name):
            return ""
        tracker = self._parts.prepared.tracker_of(name)
        return "" if tracker in self.site.site.by_id else tracker

    def _holds(self, name: str, granted: Callable[[], Set[str]]) -> bool:
        ids = self.site.services_of(name)
        if not ids or is_own(name):
            return False
        # Services of one vendor may share a cookie: it stays as long as one of them runs.
        return ids.isdisjoint(granted()) and not ids.isdisjoint(self.site.optional)

    def cookies_set_right(self) -> list[str]:
        """Return Set-Cookie values that delete cookies of held services and correct our readable cookie."""
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

    @lazy
    def csp(self) -> PagePolicies:
        """The Content-Security-Policies of the page."""
        return PagePolicies(self._parts.prepared.policing, self)

    def headers(self, headers: Headers) -> Headers:
        """Return the headers of the page with policies that allow the insertions."""
        self._set_cookies = headers
        return self.csp.adapt(headers)

    def meta_csp(self, text: str) -> list[Edit]:
        """Return what to insert into a policy in the page's markup."""
        return self.csp.amend(text)

    def all_of_ours(self) -> bytes:
        """Return all markup that may be inserted into the page, with all code inline; empty if nothing is."""
        now = self._now()
        if self.cookie_name is None or self.quiet:
            return b""
        page = NoticePage(
            self._decision_for(now), now.site.languages[0], "", "/", self.root, linked=False, sheets=False
        )
        parts = [now.insertions.head(page), now.insertions.body(page)]
        if self._base.learning:
            parts.append(self._parts.prepared.lesson(self.root))
        if any(parts):
            parts.append(self._parts.prepared.queues.markup(page, self._parts.prepared.queues.example))
        return b"".join(parts)

    # -- insertions

    @property
    def mark(self) -> str:
        """The tag with which an author places the banner elsewhere than at the start of the body."""
        return f'<wbr data-cmw-place="{self._parts.growing.now().cookies.mark}">'

    @lazy
    def key(self) -> str:
        """
        The key in our marks in this response, by which the runtime recognises what the server held.

        It is random for every response to a browser, so somebody who posts a comment cannot know it. In a page that
        caches keep, readers of the page can see the key: there the guard removes it from markup that scripts insert. A
        client that is not a browser gets the same key for the same request, because it may compare responses; it runs
        no scripts that release anything (docs/decisions/0041-random-keys.md).
        """
        if self._asked_by_browser:
            return urandom(_KEY_LENGTH).hex()
        facts = [self.back, str(self._parts.today())]
        if self.caching.scope is Scope.ONE:
            facts += [self.head.header(name) or "" for name in _PERSONAL]
        return self._parts.growing.now().cookies.page_key(*facts)

    @property
    def _asked_by_browser(self) -> bool:
        """Whether the request may come from a browser: all current browsers send one of these headers."""
        first = self.head.first
        return "sec-fetch-mode" in first or "Mozilla/" in first.get("user-agent", "")

    @lazy
    def language(self) -> str:
        """The language of the notice by the browser's preference; a language declared by the page takes precedence."""
        languages = self.site.languages
        if len(languages) == 1:
            return languages[0]
        return choose_language(self.site.site, self.head.header("accept-language") or "")

    def first(self, place: PageInsert) -> bytes:
        """Return the markup that runs before everything else in the page."""
        if self._sightings is not None:
            self._sightings.begin()
            self._sightings.cookies(self._set_cookies, self._held_cookies, self._parts.prepared.services_of)
        now = self._began = self._now()
        page = self._page(now, place)
        if WHOLE in self.once:
            # The embeds that this view shows may load more at run time, so the guard must not hold it.
            page = replace(page, decision=replace(page.decision, granted=page.decision.granted | self.once))
        markup = now.insertions.head(page)
        self._unguarded = self._base.learning and not now.site.optional
        return markup

    def _learn(self, place: PageInsert, ids: frozenset[str]) -> bytes:
        """
        Let the site learn from what is held, and return the guard if it is still missing from the page.

        The first page on which the site ever holds something starts without the guard. So the guard is inserted before
        the held element, and everything after it is guarded.
        """
        if ids and self._base.learning:
            self._parts.growing.saw(ids)
        if not self._unguarded:
            return b""
        now = self._now()
        self._unguarded = not now.site.optional
        return now.insertions.head(self._page(now, place))

    def before_script(self, place: PageInsert, ids: tuple[str, ...], code: bytes) -> bytes:
        """Return the queues for what a held script would have defined for the site's own code to call."""
        guard = self._learn(place, frozenset(ids)) if self._unguarded else b""
        page = self._page(self._now(), place)
        return guard + self._parts.prepared.queues.markup(page, ids, code.decode("utf-8", "replace"))

    def look(self, chunk: bytes, host: str) -> None:
        """Let the site learn services whose addresses the page has as data, before the guard is sent."""
        if not self._base.learning:
            return
        optional, policy = self._now().optional, self.hold_policy
        # A guard that is sent anyway also knows the most common trackers.
        named = named_in(chunk, policy.matcher, host, policy.allowed | optional, trackers=not optional)
        if named:
            self._parts.growing.saw(named)

    def learned(self, ids: frozenset[str]) -> bool:
        """Let the site learn what a page holds; return whether it has new services since the page started."""
        if not self._base.grows or self._began is None:
            return False
        self._parts.growing.saw(ids)
        return self._now().site.services != self._began.site.services

    def before_names(self, place: PageInsert, ids: tuple[str, ...]) -> bytes:
        """Return the guard, if it is missing, before a script from whose data embeds of these services may be made."""
        return self._learn(place, frozenset(ids))

    def panel(self, place: PageInsert, ids: tuple[str, ...], height: int) -> bytes:
        """Return the panel that replaces embeds of these services from a script, ``height`` CSS pixels high."""
        now = self._now()
        return panel(self._page(now, place), now.site.by_id, ids, height, place.place.element)

    def banner(self, place: PageInsert) -> bytes:
        """Return the banner, or the control that reopens the preferences; empty if the site holds nothing."""
        parts = self._parts
        guard = self._learn(place, place.place.held)
        if self.quiet:
            return guard
        now = self._now()
        if self.cookie_name is None:
            # Over plain http (except on localhost) an answer cannot be stored, so nobody is asked and all stays held.
            parts.prepared.warn_insecure()
            return guard
        page = self._page(now, place)
        self.again(self._shown(now, page))
        ours = now.insertions.body(page)
        # The separator keeps the page's preceding element from counting as a part of our notice.
        behind = place.place.asked or place.place.at_end
        return guard + (_SEPARATOR + ours if behind and ours else ours)

    # -- insertions that are shared by views of a kind

    @lazy
    def kind(self) -> Hashable | None:
        """What insertions depend on besides the page and :attr:`key`; None if they also depend on something else."""
        now = self._now()
        teaches = self._base.learning and not now.site.optional
        # Pages with a query are excluded, because clients can make up any number of queries.
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
        """Return an answer as the pieces around the key; None if other views of this kind may answer differently."""
        now, at = self._now(), place.place
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

    def _shown(self, now: LiveSite, page: NoticePage) -> BannerShown | Signals | None:
        """Return the event to count for a page: a banner was shown, or a signal decided; None for neither."""
        decision = page.decision
        if decision.prompt:
            # All wordings count under one revision, because another wording is not a change of the notice.
            revision = self._parts.growing.now().notice.digest[:12]
            return BannerShown(page.lang, now.form, decision.gpc, revision)
        if decision.gpc and decision.reason not in (Reason.CHOSEN, Reason.NOTHING_TO_ASK):
            return Signals(gpc=True)
        return None

    def again(self, shown: object) -> None:
        """Count the event of a page, once; a page that the site learns from is made twice."""
        if self._counted or shown is None:
            return
        self._counted = True
        if isinstance(shown, BannerShown):
            self._parts.tally.shown(self.told, self.remote, shown)
        elif isinstance(shown, Signals):
            self._parts.tally.signalled(self.told, self.remote)

    def variant(self) -> str:
        """Return 12 hex digits that change with all that the rewriting of the page depends on."""
        now, decision = self._now(), self.decision
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
        """Return the input of the notice for a place in the page, given what the site has learned so far."""
        at = place.place
        # Most places in a page are alike, and the other inputs do not change while the page is sent.
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
            sheets=terms.sheets and self._has_control,
            loads=terms.loads,
            closed=self.csp.closed,
            shared=self.for_all,
            key=self.key,
            news=self._news(now, decision, lang),
            take=decision.prompt and self.takes,
        )

    def _decision_for(self, now: LiveSite) -> Decision:
        """Return the decision that the page is made for, on the site as it is now; it may have learned meanwhile."""
        if now is self.site:
            return self.decision
        return now.decide(self.found, self.told.signals, self._parts.today())

    def _news(self, now: LiveSite, decision: Decision, lang: str) -> str:
        """Return why this visitor is asked again; empty for a page that caches keep for others."""
        if not decision.prompt or self.caching.scope is not Scope.ONE or not isinstance(self.found, Record):
            return ""
        return news(now.site, decision, self.found, lang, self._parts.today())

    # -- parts of pages that a server in front assembles

    def included(self) -> bool:
        """Return whether other pages include the response at this address as a part, as far as this process knows."""
        return self._parts.prepared.included(self.head.path, self.path)

    def includes(self, path: str) -> None:
        """Record that the page includes the response at ``path``."""
        self._parts.prepared.note_included(path)

    # -- the outcome

    def held(self, ids: frozenset[str]) -> None:
        """Record what was held in the page, and let the site learn from it."""
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
