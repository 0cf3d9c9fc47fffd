"""
The site as it is: what was configured, and on a site that declares nothing, what its pages have taught since.

:class:`LiveSite` is one state of it with all that is made from that state. :class:`GrowingSite` holds the state that
counts now, and makes the next one when a page held a service that nobody declared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from threading import Lock

from consent_mw.cookies.choice import CookieJar
from consent_mw.core.decide import decide
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Service
from consent_mw.core.model import Signals
from consent_mw.core.model import Site
from consent_mw.html.match import Matcher
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.records.discovered import Learning

logger = logging.getLogger("consent_mw")


@dataclass(frozen=True, eq=False)
class LiveSite:
    """One state of the site, with what is made from it once."""

    site: Site
    notice: Notice
    cookies: CookieJar
    #: Matches the cookies of the declared services.
    matcher: Matcher

    @classmethod
    def made(cls, site: Site, assets: Assets, cookies: CookieJar) -> LiveSite:
        """Return the state of a site, with its notice and its matcher made."""
        return cls(site, Notice(site, assets), cookies, Matcher(site.services))

    @cached_property
    def undecided(self) -> Decision:
        """The decision for a visitor who has not chosen and sends no signal."""
        return decide(self.site, NoRecord.ABSENT, Signals(), 0)

    @cached_property
    def optional(self) -> frozenset[str]:
        """The ids of the declared services that need consent."""
        return frozenset(service.id for service in self.site.optional)

    @cached_property
    def necessary(self) -> frozenset[str]:
        """The ids of the declared services that always run."""
        return frozenset(service.id for service in self.site.services if service.necessary)


class GrowingSite:
    """
    The site as this process knows it; shared by its threads.

    Args:
        first: The site as it was configured.
        assets: The static files.
        learning: What pages have taught all processes.
        catalogue: Names the services that can be held without being declared.
        hurry: Has what was learned shared with other processes, and waits a bounded moment for it.
    """

    def __init__(
        self,
        first: LiveSite,
        assets: Assets,
        learning: Learning,
        catalogue: Mapping[str, Service],
        hurry: Callable[[], object],
    ) -> None:
        self.configured = first.site
        #: Whether a request came since the last time that :meth:`share` ran.
        self.visited = True
        self._now = first
        self._assets = assets
        self._learning = learning
        self._catalogue = catalogue
        self._hurry = hurry
        self._lock = Lock()
        self._named: set[str] = set()

    def now(self) -> LiveSite:
        """Return the site as all processes know it, give or take a second."""
        return self._now

    def renewed(self) -> LiveSite:
        """Return the site after asking what other processes have learned."""
        self._hurry()
        return self._now

    def share(self) -> None:
        """
        Write down what was learned here, and take up what others learned, if anybody came since the last time.

        Raises:
            RecordsError: the store fails.
        """
        if self.visited:
            self.visited = False
            self._learning.share()
            self._grow()

    def saw(self, held: frozenset[str]) -> None:
        """Declare what was held on a site that learns; elsewhere, name what is not declared."""
        if self.configured.learning:
            if self._learning.saw(held):
                self._grow()
                # Other processes should know before this visitor's answer reaches one of them.
                self._hurry()
            return
        for id_ in sorted(held):
            if id_ in self._catalogue and id_ not in self.configured.by_id and id_ not in self._named:
                self._named.add(id_)
                logger.warning(
                    "%s is on the site but not declared, so it stays held whatever visitors say. To ask them,"
                    ' add to the configuration:\n\n[[services]]\nuse = "%s"\n',
                    self._catalogue[id_].name,
                    id_,
                )

    def _grow(self) -> None:
        """Declare what was learned."""
        with self._lock:
            services = self._learning.services
            if services != self._now.site.services:
                site = replace(self.configured, services=services)
                self._now = LiveSite.made(site, self._assets, self._now.cookies.grown(site))
