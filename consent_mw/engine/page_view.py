"""
What one request for a page of the app gets: its decision, what may run in it, and what is inserted.

A request looks up; what follows from a decision on every page is made once
and kept.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.decide import decide
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Reason
from consent_mw.core.model import Record
from consent_mw.core.model import Service
from consent_mw.core.model import Signals
from consent_mw.core.model import Site
from consent_mw.counting.tally import Tally
from consent_mw.engine.codings import known_codings
from consent_mw.engine.page_csp import PagePolicies
from consent_mw.engine.page_csp import Policing
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.match import Matcher
from consent_mw.http.caching import Caching
from consent_mw.http.caching import Scope
from consent_mw.http.caching import plan
from consent_mw.http.cookies import names_in
from consent_mw.http.exchange import Exchange
from consent_mw.http.exchange import PageInsert
from consent_mw.http.exchange import wants_banner
from consent_mw.http.request import RequestHead
from consent_mw.http.server_timing import TimedExchange
from consent_mw.http.tracker_cookies import expire
from consent_mw.http.tracker_cookies import is_own
from consent_mw.http.tracker_cookies import names_of
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.banner import state_of
from consent_mw.notice.queues import QueueCode
from consent_mw.notice.reasked import news
from consent_mw.notice.wording import choose_language

logger = logging.getLogger("consent_mw")

#: Distinct sets of grants for which the compiled policy is kept; a full store is emptied.
_KEPT_POLICIES = 64


@dataclass(frozen=True, slots=True)
class Now:
    """The site as it is until something more is learned, with what is made from it."""

    site: Site
    notice: Notice
    cookies: CookieJar
    #: Matches the cookies of the declared services.
    matcher: Matcher


class PageViews:
    """
    Makes the exchanges of one site; shared by its threads.

    Args:
        site: As it was configured.
        known: The catalogue.
        once: Tells which embeds one view of a page shows.
        now: Gives the site as it is, with what was learned.
        today: Gives whole days since 1970-01-01 UTC.
        seen: Called with the ids of what was held in a page.
    """

    def __init__(
        self,
        site: Site,
        known: Mapping[str, Service],
        assets: Assets,
        tally: Tally,
        once: OneTime,
        *,
        now: Callable[[], Now],
        today: Callable[[], int],
        seen: Callable[[frozenset[str]], None],
    ) -> None:
        self._base = site
        self._assets = assets
        self._tally = tally
        self._once = once
        self._now = now
        self._today = today
        self._seen = seen
        self._warned = False
        self._policies: dict[frozenset[str], HoldPolicy] = {}
        self._budget = Budget()
        held_by = (_version(), sorted(known.items()), sorted(site.by_id.items()), site.unknown, site.release, site.csp)
        self._holding = hashlib.sha256(repr(held_by).encode()).hexdigest()
        self._matcher = Matcher([*known.values(), *site.services])
        self._policing = Policing(site, self._matcher)
        self._known = known
        self._queues = QueueCode(self._matcher.services, assets)
        self._queued = [service.id for service in self._matcher.services.values() if service.queue][:1]
        self._asking: dict[str, bytes] = {}
        _ = self._matcher.syntax  # compiled now, not by the first visitor
        self._necessary = frozenset(service.id for service in self._matcher.services.values() if service.necessary) | {
            NECESSARY
        }

    def exchange(
        self, head: RequestHead, root: str, remote: str, now: Now, found: Record | NoRecord, begun: float = 0.0
    ) -> Exchange:
        """
        Return the exchange for a request to the app.

        Args:
            root: The mount's full path.
            remote: The address that the request came from; it is looked up for its ISP and never kept.
            found: What the request's cookie says.
            begun: What the performance counter said when the request came.
        """
        own = decide(now.site, found, head.signals, self._today())
        whole = wants_banner(head) and now.cookies.name(head) is not None
        arrived = now.cookies.readable(head) if self._base.caching == "class" else None
        made = plan(now.site, head, own, arrived, whole=whole)
        decision, caching = made.decision, made.caching
        once = frozenset[str]() if caching.scope is Scope.ALL else self._shown_once(head, root, now)
        if once:
            caching = Caching(stored=False)
        told = head
        if caching.scope is Scope.ALL:
            # Nothing that the page is made from may tell of the visitor.
            found = NoRecord.ABSENT
            told = replace(head, headers=tuple(pair for pair in head.headers if pair[0] not in ("cookie", "sec-gpc")))
        elif decision.record is not None:
            found = decision.record

        def holds_cookie(name: str, granted: Set[str] = decision.granted) -> bool:
            # Services of one vendor may share a cookie: as long as one of them runs, it stays.
            ids = {id_ for known in names_of(name) for id_ in now.matcher.cookie(known)}
            held = {service.id for service in now.site.optional} - granted
            return not ids.isdisjoint(held) and ids.isdisjoint(granted) and not is_own(name)

        policy = self._policy(decision, root, once)
        allowed = policy.allowed | once
        policies = PagePolicies(
            self._policing,
            head,
            root,
            allowed=allowed,
            granted=[service for service in now.site.services if service.id in allowed],
            inserted=lambda: self._all_of_ours(told, root, found),
            for_all=caching.scope is Scope.ALL,
        )
        timed = self._base.server_timing
        kind = partial(TimedExchange, clock=time.perf_counter, begun=begun) if timed else Exchange
        return kind(
            head,
            policy,
            decision,
            insert=lambda place: self._insertion(told, root, found, remote, place, caching, policies),
            first=lambda place: self._first(told, root, found, place, caching, policies),
            queue=lambda place, ids, code: self._queues.markup(
                self._page(told, root, found, place, caching, policies), ids, code.decode("utf-8", "replace")
            ),
            adapt=policies.adapt,
            amend=policies.amend,
            mark=f'<wbr data-cmw-place="{now.cookies.mark}">',
            expire=self._set_right(head, root, now, own, made.right, holds_cookie, once=once),
            holds_cookie=holds_cookie,
            caching=caching,
            undecided=lambda: self._policy(decide(now.site, NoRecord.ABSENT, Signals(), 0), root),
            could_hold_cookie=lambda name: holds_cookie(name, _nothing(now.site)),
            hide_cookies=self._base.hide_cookies,
            codings=known_codings(),
            variant=lambda: self._variant(told, root, decision, found, caching, once),
            done=self._seen,
            failed=lambda what, error: logger.error(
                "%s %s: %s", head.method, "a page was held back", what, exc_info=error
            ),
        )

    def _set_right(
        self,
        head: RequestHead,
        root: str,
        now: Now,
        decision: Decision,
        readable: str | None,
        holds_cookie: Callable[[str, Set[str]], bool],
        *,
        once: frozenset[str],
    ) -> list[str]:
        """Return Set-Cookie values that take held cookies away, and let the readable cookie say what holds."""
        name = now.cookies.name(head)
        values = [self._once.gone(name)] if once and name is not None else []
        if readable is not None:
            age = self._today() - decision.record.day if decision.record is not None else 0
            values.append(now.cookies.readable_cookie(readable, head, age=age))
        cookies = [name for name in names_in(head) if holds_cookie(name, decision.granted)]
        if cookies:
            held = [service for service in now.site.optional if service.id not in decision.granted]
            values += expire(cookies, held, head.host, root.removesuffix(self._base.mount) + head.path)
        return values

    def _shown_once(self, head: RequestHead, root: str, now: Now) -> frozenset[str]:
        """Return the services whose embeds this one view shows, which the visitor asked for by a click."""
        name = now.cookies.name(head)
        return self._once.read(name, head, self._back(head, root)) if name is not None else frozenset()

    def _back(self, head: RequestHead, root: str) -> str:
        """Return path and query of the page."""
        return root.removesuffix(self._base.mount) + head.path + ("?" + head.query if head.query else "")

    def _policy(self, decision: Decision, root: str, once: frozenset[str] = frozenset()) -> HoldPolicy:
        allowed = self._necessary | decision.granted | decision.purposes
        key = allowed | {root} | {f"once:{id_}" for id_ in once}
        policy = self._policies.get(key)
        if policy is None:
            policy = HoldPolicy(
                self._matcher,
                allowed,
                unknown=self._base.unknown,
                remove=self._base.release == "reload",
                placeholder=root + "/placeholder/",
                hold_back=self._base.hold_back,
                once=once,
                budget=self._budget,
            )
            if len(self._policies) >= _KEPT_POLICIES:
                self._policies.clear()
            self._policies[key] = policy
        return policy

    def _news(self, decision: Decision, found: Record | NoRecord, lang: str, caching: Caching) -> str:
        """Return why this visitor is asked again; nothing for a page that caches keep for others."""
        if not decision.prompt or caching.scope is not Scope.ONE:
            return ""
        return news(self._now().site, decision, found, lang, self._today())

    def _variant(
        self,
        head: RequestHead,
        root: str,
        decision: Decision,
        found: Record | NoRecord,
        caching: Caching,
        once: frozenset[str],
    ) -> str:
        """Return what the rewritten page depends on beside the app's own, as some hex digits."""
        notice = self._now().notice
        lang = choose_language(self._now().site, head.header("accept-language") or "")
        parts = (
            notice.digest,
            self._assets.digest,
            root,
            lang,
            sorted(decision.granted),
            sorted(decision.purposes),
            decision.prompt,
            decision.gpc,
            state_of(decision),
            wants_banner(head),
            caching.scope.value,
            sorted(once),
            self._news(decision, found, lang, caching),
            self._holding,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]

    def _insertion(
        self,
        head: RequestHead,
        root: str,
        found: Record | NoRecord,
        remote: str,
        place: PageInsert,
        caching: Caching,
        policies: PagePolicies,
    ) -> bytes:
        """Return the banner, or what opens the preferences again; nothing where nothing is held on the site."""
        if self._base.learning and place.place.held:
            self._seen(place.place.held)
        now = self._now()
        if now.cookies.name(head) is None:
            # Plain http elsewhere than on localhost: no answer could be kept, so nobody is asked and all stays held.
            self._warn_insecure()
            return b""
        page = self._page(head, root, found, place, caching, policies)
        decision = page.decision
        if decision.prompt:
            revision = now.notice.digest[:12]
            self._tally.shown(
                head, remote, language=page.lang, variant=now.site.layout, gpc=decision.gpc, revision=revision
            )
        elif decision.gpc and decision.reason not in (Reason.CHOSEN, Reason.NOTHING_TO_ASK):
            self._tally.signalled(head, remote)
        return now.notice.insertion(page)

    def _first(
        self,
        head: RequestHead,
        root: str,
        found: Record | NoRecord,
        place: PageInsert,
        caching: Caching,
        policies: PagePolicies,
    ) -> bytes:
        """Return what runs before everything else in the page."""
        return self._now().notice.head(self._page(head, root, found, place, caching, policies))

    def _all_of_ours(self, head: RequestHead, root: str, found: Record | NoRecord) -> bytes:
        """Return what may be inserted into the page, all of it inline, or nothing."""
        now = self._now()
        if now.cookies.name(head) is None:
            return b""
        decision = decide(now.site, found, head.signals, self._today())
        page = NoticePage(decision, now.site.languages[0], "", "/", root, linked=False)
        parts = [now.notice.head(page), now.notice.insertion(page)]
        if self._base.learning:
            parts.append(self._asked(root))
        if any(parts):
            parts.append(self._queues.markup(page, self._queued))
        return b"".join(parts)

    def _asked(self, root: str) -> bytes:
        """Return what is inserted where a service was learned from the page: after its headers are sent."""
        if root not in self._asking:
            site = replace(self._base, services=tuple(self._known.values()))
            page = NoticePage(decide(site, NoRecord.ABSENT, Signals(), 0), site.languages[0], "", "/", root)
            notice = Notice(site, self._assets)
            if len(self._asking) >= _KEPT_POLICIES:
                self._asking.clear()
            self._asking[root] = notice.head(page) + notice.insertion(page)
        return self._asking[root]

    def _page(
        self,
        head: RequestHead,
        root: str,
        found: Record | NoRecord,
        place: PageInsert,
        caching: Caching,
        policies: PagePolicies,
    ) -> NoticePage:
        """Return what the notice needs to know of the page, by what has been learned until now."""
        site = self._now().site
        terms = policies.terms(place.place.policies)
        decision = decide(site, found, head.signals, self._today())
        lang = choose_language(site, head.header("accept-language") or "", place.place.lang)
        return NoticePage(
            decision=decision,
            lang=lang,
            nonce=terms.nonce,
            back=self._back(head, root),
            root=f"//{quote(head.host, safe=':[]')}{root}" if place.place.foreign_base else root,
            inline=terms.inline,
            xml=place.xml,
            utf8=place.utf8,
            linked=terms.linked,
            loads=terms.loads,
            closed=policies.closed,
            shared=caching.scope is Scope.ALL,
            news=self._news(decision, found, lang, caching),
        )

    def _warn_insecure(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "the site is served over plain http, where no choice can be kept: everything stays held and nobody is"
                " asked. Serve it over https; behind a proxy that does, pass its X-Forwarded-Proto on"
                " (werkzeug.middleware.proxy_fix); or write allow_insecure_http = true"
            )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version

    try:
        return version("consent_mw")
    except PackageNotFoundError:  # a bare checkout
        return ""


def _nothing(site: Site) -> Set[str]:
    """Return what runs for a visitor who granted nothing."""
    return {service.id for service in site.services if service.necessary}
