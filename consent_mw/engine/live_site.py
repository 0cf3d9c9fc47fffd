"""
The current site: the configuration, plus the services that were discovered in its pages.

If nothing is declared, every service that is held is discovered. If something is, only unknown third parties that look
like trackers are.

:class:`LiveSite` is one state of the site with everything that is derived from it. :class:`GrowingSite` holds the
current state, and makes the next one when a page held a service that nobody declared.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from threading import Lock

from consent_mw.cookies.choice import CookieJar
from consent_mw.core.cache import BoundedCache
from consent_mw.core.cache import size_of
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import OWN_MARKS
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.engine.insertions import Insertions
from consent_mw.errors import RecordsError
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.match import Matcher
from consent_mw.html.places import Places
from consent_mw.html.suspects import STRANGE_FILE
from consent_mw.html.suspects import STRANGER
from consent_mw.html.value_judge import ANY_LINK
from consent_mw.http.tracker_cookies import names_of
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.wording import offered_languages
from consent_mw.records.observations import SiteObservations

logger = logging.getLogger("consent_mw")

#: How many decisions are cached: by day, grants and signal, never by visitor.
_KEPT_DECISIONS = 256
#: How many cookie names have their services cached; visitors may invent names.
_KEPT_COOKIES = 256
#: Seconds between two checks for what other processes have learned.
_BETWEEN_QUESTIONS = 1.0
#: How many times longer than usual a request waits for the discoveries of others that concern its visitor.
_WAITS_FOR_OTHERS = 10
#: Seconds that an answer waits for them.
_WAIT_OF_AN_ANSWER = 1.0
#: Ids for which something may be held although no author wrote them as a mark (``data-consent``).
_NOT_MARKS = frozenset({UNKNOWN_SERVICE, TOO_LONG, ANY_LINK})
_STRANGERS = (STRANGER, STRANGE_FILE)
#: The most names that are logged. Marks may also come from text that visitors wrote, so there may be any number.
_MOST_NAMED = 200


@dataclass(frozen=True, eq=False)
class LiveSite:
    """One state of the site, with everything that is derived from it."""

    site: Site
    notice: Notice
    cookies: CookieJar
    #: Matches the cookies of the declared services.
    matcher: Matcher
    #: Numbers the states of this process in order.
    number: int = field(default_factory=itertools.count().__next__)
    #: The same state with each of the other wordings.
    wordings: Mapping[str, LiveSite] = field(default_factory=dict)

    @classmethod
    def made(cls, site: Site, assets: Assets, cookies: CookieJar) -> LiveSite:
        """Return a state with its notices and matcher built."""
        matcher = Matcher(site.services)
        others = {name: site.worded(name) for name in site.wordings}
        wordings = {name: cls(other, Notice(other, assets), cookies, matcher) for name, other in others.items()}
        return cls(site, Notice(site, assets), cookies, matcher, wordings=wordings)

    def worded(self, name: str) -> LiveSite:
        """Return the state with another wording; the state itself for an unknown name."""
        return self.wordings.get(name, self)

    @cached_property
    def form(self) -> str:
        """The form of the notice under which visits are counted."""
        return self.site.form(self.site.wording)

    @cached_property
    def insertions(self) -> Insertions:
        """The notice's insertions, cached."""
        return Insertions(self.notice)

    def rehearse(self, root: str) -> None:
        """
        Render the notice for a visitor who has not chosen, in each wording, so that the first one does not wait for it.

        Args:
            root: The full path of the mount.
        """
        page = NoticePage(self.undecided, self.languages[0], nonce="", back="/", root=root, key="0")
        if self.insertions.head(page) and self.insertions.body(replace(page, utf8=True)):
            _ = self.notice.digest
        for other in self.wordings.values():
            other.rehearse(root)

    @cached_property
    def places(self) -> Places:
        """The places of embeds that scripts of optional services create."""
        return Places(self.site.optional)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of the notice, the site's first one first."""
        return offered_languages(self.site)

    @cached_property
    def _decisions(self) -> BoundedCache[tuple[Record | NoRecord, bool, int], Decision]:
        return BoundedCache(_KEPT_DECISIONS, _KEPT_DECISIONS * 4096, measure=lambda decision: size_of(decision.granted))

    def decide(self, found: Record | NoRecord, signals: Signals, today: int) -> Decision:
        """Return the decision for a visitor (:func:`consent_mw.core.decide.decide`), cached for equal choices."""
        plain = replace(found, receipt="") if isinstance(found, Record) and found.receipt else found
        key = (plain, signals.gpc, today)
        decision = self._decisions.get(key)
        if decision is None:
            decision = decide(self.site, plain, signals, today)
            self._decisions.put(key, decision)
        if decision.record is not None and plain is not found and isinstance(found, Record):
            return replace(decision, record=found)
        return decision

    def services_of(self, cookie: str) -> Set[str]:
        """Return the ids of the declared services that a cookie may belong to."""
        ids = self._cookies.get(cookie)
        if ids is None:
            ids = frozenset(id_ for known in names_of(cookie) for id_ in self.matcher.cookie(known))
            self._cookies.put(cookie, ids)
        return ids

    @cached_property
    def _cookies(self) -> BoundedCache[str, frozenset[str]]:
        return BoundedCache(_KEPT_COOKIES, 65_536)

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
        first: The configured site.
        assets: The static files.
        observations: What any process has seen in the site's pages.
        catalogue: The services that can be held without being declared.
        hurry: Shares discoveries with other processes now, and waits for it for a bounded time. It takes a factor for
            that time, and the least time to wait, in seconds.
    """

    def __init__(
        self,
        first: LiveSite,
        assets: Assets,
        observations: SiteObservations,
        catalogue: Mapping[str, Service],
        hurry: Callable[..., object],
    ) -> None:
        self.configured = first.site
        #: Whether there was a request since :meth:`share` last ran.
        self.visited = True
        self._now = first
        self._assets = assets
        self._observations = observations
        self._catalogue = catalogue
        self._hurry = hurry
        self._grows = self.configured.grows
        self._purposes = frozenset(purpose.id for purpose in self.configured.purposes)
        self._clock = time.monotonic
        self._asked = -_BETWEEN_QUESTIONS
        self._lock = Lock()
        self._named: set[str] = set()
        #: Ids with nothing left to log, so that most pages skip the checks.
        self._examined: frozenset[str] = frozenset()

    def now(self) -> LiveSite:
        """Return the current site; discoveries of other processes are included after a second at the latest."""
        return self._now

    def renewed(self) -> LiveSite:
        """
        Return the site after checking for discoveries of other processes, at most once a second.

        Used if a visitor may have been asked about a service that this process does not know.
        """
        if self._grows and self._clock() - self._asked >= _BETWEEN_QUESTIONS:
            self._asked = self._clock()
            self.visited = True
            self._hurry(_WAITS_FOR_OTHERS)
        return self._now

    def answered(self) -> None:
        """
        Load the discoveries of other processes before an answer is processed; one of them may have asked the question.

        Called from threads that may wait.
        """
        if self._grows:
            self.visited = True
            self._hurry(least=_WAIT_OF_AN_ANSWER)

    def share(self) -> None:
        """
        Store what this process discovered, and load what others did, if there was a request since the last time.

        Raises:
            RecordsError: the store fails.
        """
        if self.visited:
            self.visited = False
            try:
                self._observations.share()
            except RecordsError:
                self.visited = True
                raise
            self._grow()

    def saw(self, held: frozenset[str]) -> None:
        """Declare held services that can be discovered; on a site with its own declarations, log undeclared ones."""
        # If an owner marks an element with a purpose, visitors are asked about it.
        marked = [OWN_MARKS + id_ for id_ in self._purposes & held]
        if self._grows and self._observations.held(held.union(marked)):
            self._grow()
            # Other processes should know the service before this visitor's answer reaches one of them. Since the
            # request began, discoveries may have been shared, without this one.
            self.visited = True
            self._hurry()
        if not held <= self._examined:
            self._log_undeclared(held - self._examined)
            if len(self._examined) + len(held) <= _MOST_NAMED:
                self._examined |= held

    def _log_undeclared(self, held: frozenset[str]) -> None:
        """Log ids that nobody will be asked about, each once, with the remedy."""
        self._name_marks(held)
        if self.configured.learning:
            return
        for id_ in sorted(held):
            if id_ in self._catalogue and id_ not in self._now.site.by_id and id_ not in self._named:
                self._named.add(id_)
                logger.warning(
                    "%s is on the site but not declared, so it stays held whatever visitors say. To ask them,"
                    ' add to the configuration:\n\n[[services]]\nuse = "%s"\n',
                    self._catalogue[id_].name,
                    id_,
                )

    def _name_marks(self, held: frozenset[str]) -> None:
        """Log, once for each, marks in the page that name no purpose or service: their elements always stay held."""
        site = self._now.site
        asked = {purpose.id for purpose in site.purposes}
        for id_ in sorted(held - asked - self._named):
            if id_ in self._catalogue or id_ in site.by_id or id_ in _NOT_MARKS or id_.startswith(_STRANGERS):
                continue
            if len(self._named) < _MOST_NAMED:
                self._named.add(id_)
                logger.warning(
                    'data-consent="%s" is the id of no purpose and no service, so the element stays held whatever'
                    " visitors say. Write one of these instead, or the id of a service: %s",
                    id_,
                    ", ".join(sorted(asked)),
                )

    def _grow(self) -> None:
        """Declare the discovered services."""
        with self._lock:
            services = self.configured.services + self._observations.services
            if services != self._now.site.services:
                site = replace(self.configured, services=services)
                self._now = LiveSite.made(site, self._assets, self._now.cookies.grown(site))
