"""
What is made once for a site and kept, whoever visits: hold policies, and what is inserted where a page teaches.

Everything is a function of the site, the decision and the path of the mount. Visitors choose grants and paths, so
each store is bounded.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace

from consent_mw.core.decide import decide
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Service
from consent_mw.core.model import Signals
from consent_mw.core.model import Site
from consent_mw.engine.page_csp import Policing
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.match import Matcher
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.queues import QueueCode

logger = logging.getLogger("consent_mw")

#: Distinct sets of grants for which the compiled policy is kept; a full store is emptied.
_KEPT_POLICIES = 64


class Prepared:
    """
    What the pages of one site have in common; shared by its threads.

    Args:
        site: As it was configured.
        known: The catalogue.
        assets: The static files.
    """

    def __init__(self, site: Site, known: Mapping[str, Service], assets: Assets) -> None:
        self.assets = assets
        matcher = Matcher([*known.values(), *site.services])
        _ = matcher.syntax  # compiled now, not by the first visitor
        self.policing = Policing(site, matcher)
        held_by = (_version(), sorted(known.items()), sorted(site.by_id.items()), site.unknown, site.release, site.csp)
        #: Changes with all that decides what is held.
        self.holding = hashlib.sha256(repr(held_by).encode()).hexdigest()
        #: What stands in the place of held scripts' globals.
        self.queues = QueueCode(matcher.services, assets)
        self._site = site
        self._known = known
        self._matcher = matcher
        self._necessary = frozenset(service.id for service in matcher.services.values() if service.necessary) | {
            NECESSARY
        }
        self._policies: dict[frozenset[str], HoldPolicy] = {}
        self._budget = Budget()
        self._lessons: dict[str, bytes] = {}
        self._warned = False

    def hold_policy(self, decision: Decision, root: str, once: frozenset[str] = frozenset()) -> HoldPolicy:
        """
        Return what holds for a decision.

        Args:
            root: The mount's full path.
            once: Ids of services whose embeds this one page shows.
        """
        allowed = self._necessary | decision.granted | decision.purposes
        key = allowed | {root} | {f"once:{id_}" for id_ in once}
        policy = self._policies.get(key)
        if policy is None:
            policy = HoldPolicy(
                self._matcher,
                allowed,
                unknown=self._site.unknown,
                remove=self._site.release == "reload",
                placeholder=root + "/placeholder/",
                hold_back=self._site.hold_back,
                once=once,
                budget=self._budget,
            )
            if len(self._policies) >= _KEPT_POLICIES:
                self._policies.clear()
            self._policies[key] = policy
        return policy

    def lesson(self, root: str) -> bytes:
        """Return what is inserted where a service was learned from the page: after its headers are sent."""
        if root not in self._lessons:
            site = replace(self._site, services=tuple(self._known.values()))
            page = NoticePage(decide(site, NoRecord.ABSENT, Signals(), 0), site.languages[0], "", "/", root)
            notice = Notice(site, self.assets)
            if len(self._lessons) >= _KEPT_POLICIES:
                self._lessons.clear()
            self._lessons[root] = notice.head(page) + notice.insertion(page)
        return self._lessons[root]

    def warn_insecure(self) -> None:
        """Say, once, that nobody is asked over plain http."""
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
