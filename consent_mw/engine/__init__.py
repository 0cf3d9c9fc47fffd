"""
The composition root: builds a running site from a configuration, its records, its keys and a clock.

:class:`Engine` only composes: each of its methods delegates to the part in charge. Everything is prepared at start-up;
a request looks things up.

====================================  ================================================================
:mod:`consent_mw.engine.live_site`    the current site, and how it grows by what its pages contain
:mod:`consent_mw.engine.page_view`    one page view: what a visitor may run in it, what is inserted
:mod:`consent_mw.engine.page_csp`     the Content-Security-Policies of one page
:mod:`consent_mw.engine.shadow`       ``mode = "report"``: observing pages without changing them
:mod:`consent_mw.engine.prepared`     what is computed once for a site and cached
:mod:`consent_mw.engine.mount`        our own pages, for every kind of edge
:mod:`consent_mw.engine.tasks`        the background tasks, and
:mod:`consent_mw.engine.housekeeping` the list of them
====================================  ================================================================
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakSet

from consent_mw import config
from consent_mw.catalogue.definitions import joined
from consent_mw.catalogue.strangers import WithStrangers
from consent_mw.catalogue.strangers import learnable
from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.keys import load_keys
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.choice import Record
from consent_mw.core.durations import Durations
from consent_mw.core.globs import fits
from consent_mw.core.model import Site
from consent_mw.counting.isp import IspLookup
from consent_mw.counting.isp import open_lookup
from consent_mw.counting.tally import Tally
from consent_mw.engine.codings import known_names
from consent_mw.engine.housekeeping import Housekeeping
from consent_mw.engine.live_site import GrowingSite
from consent_mw.engine.live_site import LiveSite
from consent_mw.engine.mount import GPC_PATH
from consent_mw.engine.mount import MOST_INPUT
from consent_mw.engine.mount import Answer
from consent_mw.engine.mount import MountedPages
from consent_mw.engine.page_view import PageView
from consent_mw.engine.page_view import SiteParts
from consent_mw.engine.prepared import Prepared
from consent_mw.engine.sightings import Sightings
from consent_mw.engine.tasks import Task
from consent_mw.engine.tasks import Upkeep
from consent_mw.engine.wordings import WordingDraw
from consent_mw.errors import RecordsError
from consent_mw.http.exchange import Exchange
from consent_mw.http.forwarded import as_visited
from consent_mw.http.hosts import host_of
from consent_mw.http.paths import Paths
from consent_mw.http.plain_requests import fields_stay
from consent_mw.http.plain_requests import variables_stay
from consent_mw.http.plain_responses import passes
from consent_mw.http.request import RequestHead
from consent_mw.http.server_timing import MeasuredExchange
from consent_mw.http.server_timing import TimedExchange
from consent_mw.http.untouched import UntouchedExchange
from consent_mw.notice.assets import Assets
from consent_mw.on_change import OptOuts
from consent_mw.proof.lost import LostRecords
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.observations import SiteObservations
from consent_mw.web.context import Refusals
from consent_mw.web.context import SiteContext

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

    from consent_mw.engine.shadow import Shadow

__all__ = ["GPC_PATH", "MOST_INPUT", "Answer", "Engine", "running_engines"]

logger = logging.getLogger("consent_mw")

#: Seconds in a day.
_DAY = 86_400
_running: WeakSet[Engine] = WeakSet()


def running_engines() -> list[Engine]:
    """Return the engines of this process in no particular order, including those of separate hosts."""
    return list(_running)


class Engine:
    """
    Everything that one site needs, shared by its threads.

    Args:
        site: From :func:`consent_mw.config.load`.
        records: The store.
        keys: Signing keys, oldest first.
        clock: Seconds since 1970-01-01 UTC.
        receipt: Returns a new random receipt id.
        lookup: Finds the domain of a visitor's ISP; may be None.
    """

    # The checks that edges make for each request and response. Edges call them through the engine, so that importing
    # an edge does not import the modules that they are in.
    coding_names = staticmethod(known_names)
    variables_stay = staticmethod(variables_stay)
    fields_stay = staticmethod(fields_stay)
    passes = staticmethod(passes)

    def __init__(
        self,
        site: Site,
        records: Records,
        keys: tuple[str, ...],
        *,
        clock: Callable[[], float] = time.time,
        receipt: Callable[[], str] = lambda: secrets.token_urlsafe(16),
        lookup: IspLookup | None = None,
    ) -> None:
        #: The longest time, in seconds, that a request waits until other processes know a discovered service.
        self.patience = 0.03
        self.records = records
        self._clock = clock
        self._site = site
        self._untouched = Paths(site.untouched)
        #: The prefixes of the paths of our own pages.
        self._own_starts = (site.mount, GPC_PATH)
        self._assets = f"{site.mount}/assets/"
        self._hosts: tuple[tuple[str, Engine], ...] = ()
        self._before: Engine | None = None
        #: Whether :meth:`at` may return another engine.
        self.is_one_of_several = False
        #: Whether an edge may wait with :meth:`exchange` until the response shows that it is needed.
        self.waits_for_response = site.mode != "report" and not (site.server_timing or site.hide_cookies)
        self._takes_effect = 0.0
        known, assets = joined(site.definitions), Assets.shipped()
        self.tally = Tally(records, site, lookup, clock=clock)
        self._upkeep = Upkeep()
        first = LiveSite.made(site, assets, CookieJar(site, keys))
        everybody = WithStrangers(known)
        prepared = Prepared(site, known, assets)
        self.observations = SiteObservations(records, learnable(site, known), self.today, prepared.delivery.adopt)
        self._growing = GrowingSite(first, assets, self.observations, everybody, self._share_soon)
        opt_outs = OptOuts(site.on_change)
        lost = LostRecords(site, records, keys, self.today)
        for task in Housekeeping(site, records, keys, self.tally, clock).tasks():
            self._upkeep.add(task)
        self._upkeep.add(Task("looking for lost records", lost.look, 3, 6, first=2))
        if site.grows:
            self._upkeep.add(Task("learning", self._share, 1, 1, first=1))
            self._upkeep.add(Task("patterns", prepared.prepare_places, _DAY, 2 * _DAY))
        self._shadow: Shadow | None = None
        if site.mode == "report":
            from consent_mw.engine import shadow  # here, since other sites need none

            self._shadow = shadow.Shadow(site, keys, self.today)
            self._upkeep.add(Task("watching", self._shadow.flush, 5, 10, first=2, last=self._shadow.flush))
        if site.on_change is not None:
            self._upkeep.add(Task("telling", opt_outs.notify, 60, 60, first=60, last=opt_outs.notify))
        once = OneTime(site, keys, clock)
        wordings = WordingDraw(site, keys, self.today)
        self.quiet = prepared.quiet
        self._parts = SiteParts(
            growing=self._growing,
            prepared=prepared,
            tally=self.tally,
            sightings=Sightings(self.observations.add, self.today, on=site.counters != "off"),
            once=once,
            opt_outs=opt_outs,
            lost=lost,
            today=self.today,
            wordings=wordings,
            hurry_opt_outs=lambda: self._upkeep.hurry("telling", 0.0),
        )
        if site.counters != "off":
            self._upkeep.add(Task("inventory", self._keep_inventory, 300, 900, first=60, last=self.observations.flush))
        self._durations = Durations()
        context = SiteContext(
            records=records,
            counting=self.tally,
            assets=assets,
            once=once,
            lost=lost,
            durations=self._durations,
            refusals=Refusals(),
            signing_keys=keys,
            live=self._growing.now,
            drawn=wordings.of,
            today=self.today,
            clock=clock,
            receipt=receipt,
        )
        self._pages = MountedPages(site, context)
        if site.grows:
            try:
                self._growing.share()
            except RecordsError as error:
                logger.error("what the site has learned cannot be read yet: %s", error)
        if self._shadow is None:
            known_names()  # imports the libraries of the codings
            now = self._growing.now()
            now.rehearse(site.mount)
            prepared.rehearse(now.undecided, site.mount, now.places)

    @classmethod
    def configured(cls, source: None | str | os.PathLike[str] | Mapping[str, object] | Site = None) -> Engine:
        """
        Return the engine of a configuration.

        Raises:
            ConfigError: with every mistake in the configuration.
        """
        site = source if isinstance(source, Site) else config.load(source)
        engine = cls._of_one_site(site)
        engine._hosts = tuple((host, cls._of_one_site(inner)) for host, inner in site.hosts)
        engine.is_one_of_several = bool(engine._hosts) or engine._before is not None
        _running.update(engine._all())
        return engine

    @classmethod
    def _of_one_site(cls, site: Site) -> Engine:
        keys = load_keys(site, os.environ)
        lookup = None
        if site.counters != "off":
            lookup = open_lookup(site.isp or "ptr", explicit=bool(site.isp))
        records = open_records(site.records, site=site.id, spool=site.spool)
        engine = cls(site, records, keys, lookup=lookup)
        if site.before is not None:
            engine.asks_until(site.takes_effect, cls(site.before, records, keys, lookup=lookup))
        return engine

    # -- what edges use

    def at(self, head: RequestHead) -> Engine:
        """Return the engine that answers a request: by its host, and by the question that is in effect for it."""
        if not self.is_one_of_several:
            return self
        visited = as_visited(head, "", self._site.trusted_proxies)[0]
        host = host_of(visited.host)
        return next((engine for pattern, engine in self._hosts if fits(pattern, host)), self)._in_effect(visited)

    def asks_until(self, moment: float, before: Engine) -> None:
        """
        Let another engine answer until a stated time.

        A visitor who has already answered this engine's question is served by it at once. Another machine may have
        asked it, because its clock is ahead or it was restarted earlier (docs/decisions/0043).

        Args:
            moment: Seconds since 1970-01-01 UTC.
            before: The engine of the old question, with the same records and keys.
        """
        self._takes_effect, self._before = moment, before
        self.is_one_of_several = True

    def _in_effect(self, head: RequestHead) -> Engine:
        """Return this engine, or the one of the old question if that is still in effect for this visitor."""
        before = self._before
        if before is None or self._clock() >= self._takes_effect:
            return self
        found = self.now().cookies.read(head)
        asked = self.now().site.revision
        answered = isinstance(found, Record) and found.revision == asked != before.now().site.revision
        return self if answered else before

    def keep_quiet(self, paths: Iterable[str]) -> None:
        """Show no notice at these paths on any host, like the setting ``paths.quiet``."""
        found = list(paths)
        for engine in self._all():
            engine.quiet.add(found)

    def wait_for_nobody(self) -> None:
        """Never let a request wait for other processes: it would block the event loop."""
        for engine in self._all():
            engine.patience = 0.0

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Pass all pages unchanged inside the ``with`` block, for an audit of the bare application."""
        kept, self._untouched = self._untouched, Paths(("/",))
        try:
            yield
        finally:
            self._untouched = kept

    @property
    def site(self) -> Site:
        """The configuration, without services that were discovered in pages."""
        return self._site

    @property
    def mount(self) -> str:
        """The path under which our own pages are."""
        return self._site.mount

    def owns(self, path: str, script_name: str = "") -> bool:
        """Return whether a request for ``path`` (without the script name) is for our own pages."""
        if not path.startswith(self._own_starts):
            return False
        if self._shadow is not None and path == GPC_PATH:
            return False  # in report mode the application still answers this path itself
        return self._pages.owns(path, script_name)

    def web(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for our own pages, as a WSGI application."""
        self._upkeep.start()
        self._catch_up(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        return self._pages.answer(environ, start_response)

    def page(self, head: RequestHead, variables: Mapping[str, object], body: bytes) -> Answer:
        """
        Answer a request for our own pages with a complete response, for edges that are not WSGI.

        Args:
            variables: The request as CGI variables (RFC 3875, section 4.1).
            body: The request body, read to just beyond MOST_INPUT at most.
        """
        self._upkeep.start()
        self._catch_up(head.method, head.path)
        return self._pages.whole(head, variables, body)

    def _catch_up(self, method: str, path: str) -> None:
        """Load services that other processes discovered, since this visitor may have been asked about them."""
        if method == "POST":
            self._growing.answered()
        elif not path.startswith(self._assets):
            self._growing.renewed()

    def note_request(self) -> None:
        """Note a request to the application, so that this process runs the background tasks."""
        if not self._upkeep.started:
            self._upkeep.start()
        self._growing.visited = True

    def exchange(self, head: RequestHead, script_name: str = "", remote: str = "") -> Exchange:
        """
        Return the exchange for a request to the application.

        Args:
            script_name: The prefix under which the application is mounted.
            remote: The visitor's address; its ISP is looked up, and the address is never stored.
        """
        begun = time.perf_counter() if self._site.server_timing else 0.0
        self.note_request()
        if self._site.trusted_proxies:
            head, script_name = as_visited(head, script_name, self._site.trusted_proxies)
        view = PageView(self._parts, head, script_name + self._site.mount, remote)
        if self._untouched and self._untouched.hold(head.host, script_name + head.path):
            return UntouchedExchange(head, view)
        if self._shadow is not None and (watched := self._shadow.exchange(head, view)) is not None:
            return watched
        if self._site.server_timing:
            return TimedExchange(head, view, time.perf_counter, self._durations.add, begun)
        if self._durations.due():
            return MeasuredExchange(head, view, time.perf_counter, self._durations.add)
        return Exchange(head, view)

    def policy_html(self, lang: str = "", *, level: int = 2, script_name: str = "", back: str = "") -> str:
        """
        Return the declaration of cookies as HTML that can be inserted into a page without escaping.

        Args:
            lang: The page's language; the closest one that the site offers is used.
            level: The level of the top headings, 1 to 4.
            script_name: The prefix under which the application is mounted.
            back: Path and query of the page, to which our own pages link back.
        """
        return self._pages.policy_html(lang, level, script_name + self._site.mount, back)

    def now(self) -> LiveSite:
        """Return the site as all processes know it, with a delay of up to a second."""
        return self._growing.now()

    def today(self) -> int:
        """Return whole days since 1970-01-01 UTC."""
        return int(self._clock() // _DAY)

    # -- outside of requests

    def settle(self) -> None:
        """Write everything that must not be lost. The process may go on afterwards, or be killed without notice."""
        for engine in self._all():
            engine._upkeep.settle()

    def close(self) -> None:
        """Write everything that must not be lost, and close the records."""
        for engine in self._all():
            engine._upkeep.end()
            if engine._shadow is not None:
                engine._shadow.close()
        for engine in self._all():
            engine.records.close()

    def _all(self) -> list[Engine]:
        now = [self, *(engine for _, engine in self._hosts)]
        return [*now, *(engine._before for engine in now if engine._before is not None)]

    def _keep_inventory(self) -> None:
        """Write what this process observed, forget what is old, and load what other processes observed."""
        from consent_mw.stats.inventory import tidy  # imported late: needed a few times an hour

        self.observations.flush()
        tidy(self.records, self.today())
        self._parts.sightings.recall(self.records.observed())

    def _share(self) -> None:
        """Exchange discoveries with other processes; if the site has grown, render its notice before it is needed."""
        before = self._growing.now()
        self._growing.share()
        now = self._growing.now()
        if now is not before:
            now.rehearse(self._site.mount)

    def _share_soon(self, times: float = 1, least: float = 0.0) -> None:
        self._upkeep.hurry("learning", max(times * self.patience, least))
