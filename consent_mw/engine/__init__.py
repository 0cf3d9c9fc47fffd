"""
The composition root: a site, its records, its keys and a clock make a running site.

:class:`Engine` puts the parts together and does nothing else; each of its methods hands on to the part whose subject
it is. Everything is prepared at start-up; a request looks up.

====================================  ================================================================
:mod:`consent_mw.engine.live_site`    the site as it is, and how it grows by what its pages teach
:mod:`consent_mw.engine.page_view`    one page view: what a visitor may run in it, what is inserted
:mod:`consent_mw.engine.page_csp`     the Content-Security-Policies of one page
:mod:`consent_mw.engine.shadow`       what would be done to the pages of a site that is only watched
:mod:`consent_mw.engine.prepared`     what is made once for a site and kept
:mod:`consent_mw.engine.mount`        our own pages, for every kind of edge
:mod:`consent_mw.engine.tasks`        what is done beside the requests, and
:mod:`consent_mw.engine.housekeeping` which tasks that are
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
from consent_mw.core.globs import fits
from consent_mw.core.model import Site
from consent_mw.counting.isp import IspLookup
from consent_mw.counting.isp import open_lookup
from consent_mw.counting.tally import Tally
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
from consent_mw.engine.shadow import Shadow
from consent_mw.engine.sightings import Sightings
from consent_mw.engine.tasks import Task
from consent_mw.engine.tasks import Upkeep
from consent_mw.errors import RecordsError
from consent_mw.http.exchange import Exchange
from consent_mw.http.forwarded import as_visited
from consent_mw.http.hosts import host_of
from consent_mw.http.paths import Paths
from consent_mw.http.request import RequestHead
from consent_mw.http.server_timing import TimedExchange
from consent_mw.http.untouched import UntouchedExchange
from consent_mw.notice.assets import Assets
from consent_mw.on_change import OptOuts
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.discovered import Learning

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["GPC_PATH", "MOST_INPUT", "Answer", "Engine", "running_engines"]

logger = logging.getLogger("consent_mw")

#: Seconds in a day.
_DAY = 86_400
_running: WeakSet[Engine] = WeakSet()


def running_engines() -> list[Engine]:
    """Return the engines of this process, those of single hosts among them, in no order."""
    return list(_running)


class Engine:
    """
    Everything that one site needs, shared by its threads.

    Args:
        site: From :func:`consent_mw.config.load`.
        records: Where consent is proved.
        keys: Signing keys, oldest first.
        clock: Seconds since 1970-01-01 UTC.
        receipt: Makes a new random receipt id.
        lookup: Finds the domain of a visitor's ISP, or None.
    """

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
        from consent_mw.web.context import SiteContext  # here, since it brings Flask and the edges must start without

        #: Longest wait of a request, in seconds, for discovered services to be shared between processes.
        self.patience = 0.03
        self.records = records
        self._clock = clock
        self._site = site
        self._untouched = Paths(site.untouched)
        self._hosts: tuple[tuple[str, Engine], ...] = ()
        known, assets = joined(site.definitions), Assets()
        self.tally = Tally(records, site, lookup, clock=clock)
        self._upkeep = Upkeep()
        first = LiveSite.made(site, assets, CookieJar(site, keys))
        everybody = WithStrangers(known)
        prepared = Prepared(site, known, assets)
        learning = Learning(records, learnable(site, known), self.today, prepared.delivery.adopt)
        self._growing = GrowingSite(first, assets, learning, everybody, self._share_soon)
        opt_outs = OptOuts(site.on_change)
        for task in Housekeeping(site, records, keys, self.tally, clock).tasks():
            self._upkeep.add(task)
        if site.grows:
            self._upkeep.add(Task("learning", self._growing.share, 1, 1, first=1))
            self._upkeep.add(Task("patterns", prepared.prepare_places, _DAY, 2 * _DAY))
        self._shadow = Shadow(site, keys, self.today) if site.mode == "report" else None
        if self._shadow is not None:
            self._upkeep.add(Task("watching", self._shadow.flush, 5, 10, first=2, last=self._shadow.flush))
        if site.on_change is not None:
            self._upkeep.add(Task("telling", opt_outs.notify, 60, 60, first=60, last=opt_outs.notify))
        once = OneTime(site, keys, clock)
        self.quiet = prepared.quiet
        self._parts = SiteParts(
            growing=self._growing,
            prepared=prepared,
            tally=self.tally,
            sightings=Sightings(self.tally.loaded, self.today),
            once=once,
            opt_outs=opt_outs,
            today=self.today,
            hurry_opt_outs=lambda: self._upkeep.hurry("telling", 0.0),
        )
        if site.counters != "off":
            self._upkeep.add(Task("inventory", self._condense, 1200, 2400, first=60))
        context = SiteContext(
            records=records,
            counting=self.tally,
            assets=assets,
            once=once,
            signing_keys=keys,
            live=self._growing.now,
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

    @classmethod
    def configured(cls, source: None | str | os.PathLike[str] | Mapping[str, object] | Site = None) -> Engine:
        """
        Return the engine of a configuration.

        Raises:
            ConfigError: with every mistake in it.
        """
        site = source if isinstance(source, Site) else config.load(source)
        engine = cls._of_one_site(site)
        engine._hosts = tuple((host, cls._of_one_site(inner)) for host, inner in site.hosts)
        _running.update(engine._all())
        return engine

    @classmethod
    def _of_one_site(cls, site: Site) -> Engine:
        keys = load_keys(site, os.environ)
        lookup = None
        if site.counters != "off":
            lookup = open_lookup(site.isp or "ptr", explicit=bool(site.isp))
        return cls(site, open_records(site.records, site=site.id, spool=site.spool), keys, lookup=lookup)

    # -- what edges use

    def at(self, head: RequestHead) -> Engine:
        """Return the engine of the host that a request is for: a site of its own, or else this one."""
        if not self._hosts:
            return self
        host = host_of(as_visited(head, "", self._site.trusted_proxies)[0].host)
        return next((engine for pattern, engine in self._hosts if fits(pattern, host)), self)

    def keep_quiet(self, paths: Iterable[str]) -> None:
        """Show no notice at these paths (as the setting ``paths.quiet``), on any host."""
        found = list(paths)
        for engine in self._all():
            engine.quiet.add(found)

    def wait_for_nobody(self) -> None:
        """Let no request wait for other processes: an event loop serves everybody."""
        for engine in self._all():
            engine.patience = 0.0

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Let all pages through unchanged for the length of the block: an audit reads the application's own."""
        kept, self._untouched = self._untouched, Paths(("/",))
        try:
            yield
        finally:
            self._untouched = kept

    @property
    def site(self) -> Site:
        """The configuration, without what pages have taught."""
        return self._site

    @property
    def mount(self) -> str:
        """The path under which our own pages are."""
        return self._site.mount

    def owns(self, path: str, script_name: str = "") -> bool:
        """Return whether a request for ``path`` (without the script name) is for our own pages."""
        if self._shadow is not None and path == GPC_PATH:
            return False  # what the site says there is its own matter, as long as it is only watched
        return self._pages.owns(path, script_name)

    def web(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for our own pages, as a WSGI application."""
        self._upkeep.start()
        return self._pages.answer(environ, start_response)

    def page(self, head: RequestHead, variables: Mapping[str, object], body: bytes) -> Answer:
        """
        Answer a request for our own pages, whole, for edges that are not WSGI.

        Args:
            variables: The request's headers and surroundings by their names in CGI (RFC 3875, section 4.1).
            body: What the request brought, read up to MOST_INPUT and a little more.
        """
        self._upkeep.start()
        return self._pages.whole(head, variables, body)

    def exchange(self, head: RequestHead, script_name: str = "", remote: str = "") -> Exchange:
        """
        Return the exchange for a request to the app.

        Args:
            script_name: What the paths of the app begin with.
            remote: The address that the request came from; it is looked up for its ISP and never kept.
        """
        begun = time.perf_counter() if self._site.server_timing else 0.0
        self._upkeep.start()
        self._growing.visited = True
        head, script_name = as_visited(head, script_name, self._site.trusted_proxies)
        view = PageView(self._parts, head, script_name + self._site.mount, remote)
        if self._untouched and self._untouched.hold(head.host, script_name + head.path):
            return UntouchedExchange(head, view)
        if self._shadow is not None and (watched := self._shadow.exchange(head, view)) is not None:
            return watched
        if self._site.server_timing:
            return TimedExchange(head, view, time.perf_counter, begun)
        return Exchange(head, view)

    def policy_html(self, lang: str = "", *, level: int = 2, script_name: str = "", back: str = "") -> str:
        """
        Return the declaration of cookies as a piece of HTML for a page of the application, safe as it is.

        Args:
            lang: The page's language; the site's nearest one is taken.
            level: Of the first headings, 1 to 4.
            script_name: What the paths of the application begin with.
            back: Path and query of the page, where our own pages lead back to.
        """
        return self._pages.policy_html(lang, level, script_name + self._site.mount, back)

    def now(self) -> LiveSite:
        """Return the site as all processes know it, give or take a second."""
        return self._growing.now()

    def today(self) -> int:
        """Return whole days since 1970-01-01 UTC."""
        return int(self._clock() // _DAY)

    # -- beside the requests

    def settle(self) -> None:
        """Finish what must not be lost: the process may end without a further word, or go on."""
        for engine in self._all():
            engine._upkeep.settle()

    def close(self) -> None:
        """Finish what must not be lost, and let go of the records."""
        for engine in self._all():
            engine._upkeep.end()
            if engine._shadow is not None:
                engine._shadow.close()
            engine.records.close()

    def _all(self) -> list[Engine]:
        return [self, *(engine for _, engine in self._hosts)]

    def _condense(self) -> None:
        """Keep the inventory small, and hear what other processes have seen."""
        from consent_mw.stats.inventory import condense  # here, since it is needed once an hour at most

        condense(self.records, self.today())
        self._parts.sightings.recall(self.records.counts(self.today() + 1))

    def _share_soon(self) -> None:
        self._upkeep.hurry("learning", self.patience)
