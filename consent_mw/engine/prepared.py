"""
What is computed once for a site and cached for all visitors: hold policies, page plans, included parts.

Everything is a function of the site, the decision and the path of the mount. Visitors choose grants and paths, so each
cache is bounded.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from consent_mw import catalogue
from consent_mw.core.cache import BoundedCache
from consent_mw.core.cache import size_of
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.globs import fits
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import WHOLE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.engine.page_csp import Policing
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.places import Places
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.service_index import parts_of
from consent_mw.html.suspects import Delivery
from consent_mw.html.suspects import file_of_stranger
from consent_mw.html.suspects import host_of_stranger
from consent_mw.html.urls import Url
from consent_mw.html.value_judge import ANY_LINK
from consent_mw.http.page_plans import PagePlans
from consent_mw.http.paths import Paths
from consent_mw.http.tracker_cookies import is_surely_of
from consent_mw.http.tracker_cookies import names_of
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.queues import QueueCode

#: How many paths of included parts are remembered; they come from the application, not from visitors.
_KEPT_PARTS = 512
#: Variables in the addresses of includes: Apache and nginx write ``$name``, ESI ``$(NAME)``.
_VARIABLE = re.compile(r"\$(?:\([^)]*\)|\{[^}]*\}|\w+)")

logger = logging.getLogger("consent_mw")

#: A page with the usual kinds of tags, and the two snippets that are on more sites than any others.
_REHEARSED = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>A</title><link rel="stylesheet" href="/a.css">
<style>a { background: url(/a.png) }</style><script src="/a.js"></script>
<script async src="https://www.googletagmanager.com/gtag/js?id=G-AAAA111111"></script>
<script>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);}
gtag('js', new Date()); gtag('config', 'G-AAAA111111');</script>
<script>(function(w,d,s,l,i){w[l]=w[l]||[];w[l].push({'gtm.start':new Date().getTime(),event:'gtm.js'});
var f=d.getElementsByTagName(s)[0],j=d.createElement(s);j.async=true;
j.src='https://www.googletagmanager.com/gtm.js?id='+i;f.parentNode.insertBefore(j,f);
})(window,document,'script','dataLayer','GTM-AAAA111');</script></head>
<body><noscript><img width="1" height="1" src="https://www.google-analytics.com/collect"></noscript>
<form action="/a"><input name="a"></form><svg><path d="M0 0"/></svg><img src="/a.png" srcset="/b.png 2x">
<script>var a = document.createElement("script"); a.src = "/b.js"; document.body.appendChild(a);</script>
</body></html>
"""

#: How many cookie names have their trackers cached; an application may make up names.
_KEPT_COOKIES = 256
#: How many compiled hold policies are cached, by grants and path of the mount.
_KEPT_POLICIES = 64


class Prepared:
    """
    What the pages of one site have in common; shared by threads.

    Args:
        site: The configuration.
        known: The catalogue.
        assets: The static files.
    """

    def __init__(self, site: Site, known: Mapping[str, Service], assets: Assets) -> None:
        self.assets = assets
        index, own = parts_of(known)
        matcher = Matcher(site.services, known)
        # Compiled at start-up, not by the first visitor. Discoveries are compiled in a background task.
        _ = matcher.syntax_with(Places(site.optional).marks)
        self.prepare_places = matcher.prepare_places
        self.policing = Policing(site, matcher)
        catalogued = (catalogue.digest() if index is catalogue.load() else sorted(index or ()), sorted(own.items()))
        setting = (site.unknown, site.allow_hosts, site.release, site.csp)
        held_by = (_version(), catalogued, sorted(site.by_id.items()), setting)
        #: The hosts that the site's pages show to be its own delivery.
        self.delivery = Delivery()
        self._holding = hashlib.sha256(repr(held_by).encode()).hexdigest()
        #: Stand-ins for the globals of held scripts.
        self.queues = QueueCode(matcher.services, assets)
        #: What was done to earlier copies of the same page.
        self.plans = PagePlans()
        #: Paths without notice and counting.
        self.quiet = Paths(site.quiet)
        self._site = site
        self._known = known
        self._matcher = matcher
        self._necessary = matcher.necessary | {NECESSARY}
        self._policies: BoundedCache[tuple[object, ...], HoldPolicy] = BoundedCache(
            _KEPT_POLICIES, _KEPT_POLICIES * 8192, measure=lambda policy: size_of(policy.allowed)
        )
        self._budget = Budget()
        self._lessons: BoundedCache[str, bytes] = BoundedCache(_KEPT_POLICIES, 1_048_576)
        self._included: BoundedCache[str, str] = BoundedCache(_KEPT_PARTS, 131_072)
        self._trackers: BoundedCache[str, str] = BoundedCache(_KEPT_COOKIES, 65_536)
        self._warned = False
        self._told: set[str] = set()

    def hold_policy(
        self, decision: Decision, root: str, places: Places, once: frozenset[str] = frozenset()
    ) -> HoldPolicy:
        """
        Return the hold policy for a decision.

        Args:
            root: The mount's full path.
            places: The places of embeds on the current site.
            once: Ids of services whose embeds this page view shows; with ``WHOLE``, everything of theirs is shown.
        """
        key = (decision.granted, decision.purposes, decision.record is not None, root, places, once)
        policy = self._policies.get(key)
        if policy is None:
            unknown = self._site.unknown
            allowed = self._necessary | decision.granted | decision.purposes
            if WHOLE in once:
                allowed |= once - {WHOLE}
            if decision.record is not None and decision.granted.issuperset(s.id for s in self._site.optional):
                # If everything was granted, scripts that were too long to be read run, and any link may be fetched.
                allowed |= {TOO_LONG, ANY_LINK}
            policy = HoldPolicy(
                self._matcher,
                allowed,
                # If the owner declared unknown third parties, one grant covers all of them.
                unknown="allow" if UNKNOWN_SERVICE in allowed and UNKNOWN_SERVICE in self._site.by_id else unknown,
                remove=self._site.release == "reload",
                placeholder=root + "/placeholder/",
                hold_back=self._site.hold_back,
                once=once,
                places=places,
                delivery=self.delivery,
                allow_hosts=self._site.allow_hosts,
                budget=self._budget,
            )
            self._policies.put(key, policy)
        return policy

    def rehearse(self, decision: Decision, root: str, places: Places) -> None:
        """Rewrite a page of our own, so that the first one of the site finds patterns compiled and tables filled."""
        # What is remembered of pages stays empty, and nothing is counted or learned.
        policy = replace(self.hold_policy(decision, root, places), memories={}, budget=Budget(), delivery=Delivery())
        page = NoticePage(decision, self._site.languages[0], "", "/", root)
        holder = Holder(policy, Url("https", "localhost", "/"), document=held_in)
        rewriter = Rewriter(holder, lambda place: b"", lambda place: b"")
        rewriter.queue = lambda place, ids, code: self.queues.markup(page, ids, code.decode())
        rewriter.feed(_REHEARSED)
        rewriter.finish()

    @property
    def holding(self) -> str:
        """A string that changes with everything that decides what is held."""
        version = self.delivery.version if self._site.unknown == "suspects" else 0
        return f"{self._holding}.{version}"

    def lesson(self, root: str) -> bytes:
        """Return what is inserted when a page reveals a service after its headers were sent."""
        lesson = self._lessons.get(root)
        if lesson is None:
            site = replace(self._site, services=tuple(self._known.values()))
            page = NoticePage(decide(site, NoRecord.ABSENT, Signals(), 0), site.languages[0], "", "/", root)
            notice = Notice(site, self.assets)
            lesson = notice.head(page) + notice.insertion(page)
            self._lessons.put(root, lesson)
        return lesson

    def note_included(self, path: str) -> None:
        """Remember that a page includes ``path``; a variable in it matches anything."""
        if self._included.get(path) is None:
            self._included.put(path, _VARIABLE.sub("*", path) if _VARIABLE.search(path) else "")

    def included(self, *paths: str) -> bool:
        """Return whether a page includes one of these paths."""
        if not len(self._included):
            return False
        return any(self._included.get(path) is not None for path in paths) or any(
            fits(glob, path) for glob in self._included.values() if glob for path in paths
        )

    def services_of(self, cookie: str) -> frozenset[str]:
        """Return the ids of all known services that a cookie may belong to."""
        return frozenset(id_ for name in names_of(cookie) for id_ in self._matcher.cookie(name))

    def tracker_of(self, cookie: str) -> str:
        """Return the id of the known tracker to which a cookie surely belongs; empty if there is none."""
        found = self._trackers.get(cookie)
        if found is None:
            services = [self._known[id_] for id_ in sorted(self.services_of(cookie)) if id_ in self._known]
            found = next((known.id for known in services if known.tracker and is_surely_of(cookie, known)), "")
            self._trackers.put(cookie, found)
        return found

    def tell_of_strangers(self, ids: frozenset[str]) -> None:
        """Log, once for each, which third parties are held as suspects, why, and the remedy."""
        for id_ in ids & self.delivery.addresses.keys() - self._told:
            self._told.add(id_)
            logger.warning(
                "%s is held as a suspect: %s. Visitors are asked about it. If the site needs it, add to [site]:\n\n"
                'allow_hosts = ["%s"]\n',
                host_of_stranger(id_) or file_of_stranger(id_),
                self.delivery.reasons[id_],
                self.delivery.addresses[id_],
            )

    def warn_insecure(self) -> None:
        """Warn, once, that visitors are not asked over plain http."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "the site is served over plain http, where no choice can be kept: everything stays held and nobody is"
                " asked. Serve it over https; behind a proxy that does, pass its X-Forwarded-Proto on"
                " (werkzeug.middleware.proxy_fix); or write allow_insecure_http = true"
            )


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version

    try:
        return version("consent_mw")
    except PackageNotFoundError:  # run from a checkout without installation
        return ""
