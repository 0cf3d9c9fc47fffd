"""
The composition root: a site, its records, its cookies and a clock make exchanges.

Edges need two things of it: :meth:`Engine.exchange` for the app's responses
and :meth:`Engine.web` for the pages under the mount. Everything is prepared
at start-up; a request looks up.
"""

from __future__ import annotations

import io
import logging
import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from consent_mw import catalogue
from consent_mw import config
from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.keys import load_keys
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.model import Record
from consent_mw.core.model import Site
from consent_mw.counting.isp import IspLookup
from consent_mw.counting.isp import open_lookup
from consent_mw.counting.tally import Tally
from consent_mw.engine.page_view import Now
from consent_mw.engine.page_view import PageViews
from consent_mw.engine.tasks import Task
from consent_mw.engine.tasks import Upkeep
from consent_mw.errors import RecordsError
from consent_mw.html.match import Matcher
from consent_mw.http.exchange import Exchange
from consent_mw.http.forwarded import as_visited
from consent_mw.http.forwarded import forwarded
from consent_mw.http.forwarded import under
from consent_mw.http.headers import Headers
from consent_mw.http.request import RequestHead
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.wording import choose_language
from consent_mw.on_change import OptOuts
from consent_mw.proof.sealing import seal_new
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.discovered import Learning
from consent_mw.records.spool import SpooledRecords

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("consent_mw")

#: Seconds in a day.
_DAY = 86_400
#: Distinct sets of grants for which the compiled policy is kept; a full store is emptied.
_KEPT_POLICIES = 64


#: Where a site says that it honours Global Privacy Control (its section 4.3).
GPC_PATH = "/.well-known/gpc.json"

#: Bytes of a request to our own pages that an edge reads; their forms are far smaller, and more than this is refused.
MOST_INPUT = 65_536

#: Status, headers and body of a page of our own.
Answer = tuple[int, Headers, bytes]


class _Context:
    """What the pages under the mount need (:class:`consent_mw.web.context.WebContext`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def records(self) -> Records:
        return self._engine.records

    @property
    def cookies(self) -> CookieJar:
        return self._engine.now().cookies

    @property
    def assets(self) -> Assets:
        return self._engine.assets

    @property
    def once(self) -> OneTime:
        return self._engine.once

    def site(self) -> Site:
        return self._engine.now().site

    def notice(self) -> Notice:
        return self._engine.now().notice

    def today(self) -> int:
        return self._engine.today()

    def receipt(self) -> str:
        return self._engine.receipt()

    def keys(self) -> tuple[str, ...]:
        return self._engine.keys

    @property
    def counting(self) -> Tally:
        return self._engine.tally


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
        from consent_mw.web import create_app  # here, since it brings Flask and the edges must start without

        self.records = records
        self.keys = keys
        self.assets = Assets()
        self.receipt = receipt
        self._clock = clock
        self._catalogue = catalogue.load()
        self._base = site
        self._lock = threading.Lock()
        self._named: set[str] = set()
        self._visited = True
        #: Seconds that a request waits at most until other processes know its news, or it theirs.
        self.patience = 0.03
        self._now = self._made(site, CookieJar(site, keys))
        self._learning = Learning(records, self._catalogue, self.today)
        self.tally = Tally(records, site, lookup, clock=clock)
        self._opt_outs = OptOuts(site.on_change)
        self._upkeep = Upkeep(self._tasks())
        self.once = OneTime(site, keys, clock)
        self._views = PageViews(
            site, self._catalogue, self.assets, self.tally, self.once, now=self.now, today=self.today, seen=self._done
        )
        self._web = create_app(_Context(self)).wsgi_app
        if site.learning:
            try:
                self._share_news()
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
        keys = load_keys(site, os.environ)
        lookup = None
        if site.counters != "off":
            lookup = open_lookup(site.isp or "ptr", explicit=bool(site.isp))
        return cls(site, open_records(site.records, site=site.id, spool=site.spool), keys, lookup=lookup)

    # -- what edges use

    @property
    def mount(self) -> str:
        """The path under which our own pages are."""
        return self._base.mount

    def owns(self, path: str, script_name: str = "") -> bool:
        """Whether a request for ``path`` (without the script name) is for our own pages."""
        # RFC 8615: a well-known path is one at the root of the host, where no script name stands before it.
        return path == self.mount or path.startswith(self.mount + "/") or (path == GPC_PATH and not script_name)

    def web(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for our own pages, as a WSGI application."""
        self._upkeep.start()
        inner = dict(environ)
        said = forwarded(lambda name: str(environ.get(_variable(name), "")), self._base.trusted_proxies)
        inner["wsgi.url_scheme"] = said.scheme or environ["wsgi.url_scheme"]
        if said.host:
            inner["HTTP_HOST"] = said.host
        inner["SCRIPT_NAME"] = under(said.prefix, environ.get("SCRIPT_NAME", "")) + self.mount
        path = environ.get("PATH_INFO", "")
        inner["PATH_INFO"] = "/gpc.json" if path == GPC_PATH else path[len(self.mount) :] or "/"
        app: WSGIApplication = self._web
        return app(inner, start_response)

    def page(self, head: RequestHead, variables: Mapping[str, object], body: bytes) -> Answer:
        """
        Answer a request for our own pages, whole, for edges that are not WSGI.

        Args:
            variables: The request's headers and surroundings by their names in CGI (RFC 3875, section 4.1).
            body: What the request brought, read up to MOST_INPUT and a little more.
        """
        environ: WSGIEnvironment = {
            **variables,
            "REQUEST_METHOD": head.method,
            "PATH_INFO": head.path.encode().decode("latin-1"),
            "QUERY_STRING": head.query,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": head.scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if not environ.get("CONTENT_LENGTH"):
            environ["CONTENT_LENGTH"] = str(len(body))
        started: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: object = None) -> Callable[[bytes], object]:
            started[:] = [(status, headers)]
            return lambda data: None

        result = self.web(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        status, headers = started[0]
        return int(status[:3]), headers, content

    def exchange(self, head: RequestHead, script_name: str = "", remote: str = "") -> Exchange:
        """
        Return the exchange for a request to the app.

        Args:
            script_name: What the paths of the app begin with.
            remote: The address that the request came from; it is looked up for its ISP and never kept.
        """
        begun = time.perf_counter()
        self._upkeep.start()
        self._visited = True
        head, script_name = as_visited(head, script_name, self._base.trusted_proxies)
        now = self._now
        found = now.cookies.read(head)
        if self._base.learning and isinstance(found, Record) and found.revision != now.site.revision:
            # Another process may have learned a service, and asked about it, since this one last looked.
            self._upkeep.hurry("learning", self.patience)
            now = self._now
        exchange = self._views.exchange(head, script_name + self.mount, remote, now, found, begun)
        if self._opt_outs.saw(now.site, found, head.signals, self.today()):
            self._upkeep.hurry("telling", 0.0)
        return exchange

    def policy_html(self, lang: str = "", *, level: int = 2, script_name: str = "", back: str = "") -> str:
        """
        Return the declaration of cookies as a piece of HTML for a page of the application, safe as it is.

        Args:
            lang: The page's language; the site's nearest one is taken.
            level: Of the first headings, 1 to 4.
            script_name: What the paths of the application begin with.
            back: Path and query of the page, where our own pages lead back to.
        """
        from consent_mw.web.declaration import policy_html  # here, since it brings Flask

        site = self.now().site
        return policy_html(
            site,
            choose_language(site, "", lang),
            root=script_name + self.mount,
            today=self.today(),
            level=level,
            query=urlencode({"back": back}, safe="/") if back else "",
        )

    # -- beside the requests

    def settle(self) -> None:
        """Finish what must not be lost: the process may end without a further word, or go on."""
        self._upkeep.settle()

    def close(self) -> None:
        """Finish what must not be lost, and let go of the records."""
        self._upkeep.end()
        self.records.close()

    def _tasks(self) -> list[Task]:
        chance = random.SystemRandom()  # the module's own generator belongs to the site
        tasks = [
            # Counts are written rarely and at random, so that no write tells of one visitor.
            Task("counting", self._count, 10, 20, first=10, last=self.tally.close),
            Task("sealing", self._seal, 20, 50, first=chance.uniform(5, 50), last=self._seal),
            Task("publishing", self._publish, 1200, 2400, first=chance.uniform(30, 90)),
            Task("purging", self._purge, 40_000, 90_000, first=chance.uniform(120, 600)),
        ]
        if self._base.learning:
            tasks.append(Task("learning", self._share_news, 1, 1, first=1))
        if self._base.on_change is not None:
            tasks.append(Task("telling", self._opt_outs.tell, 60, 60, first=60, last=self._opt_outs.tell))
        if isinstance(self.records, SpooledRecords):
            tasks.append(Task("replaying", self.records.replay, 2, 5, first=1, last=self.records.replay))
        return tasks

    def _count(self) -> None:
        if self.tally.due():
            self.tally.flush()

    def _seal(self) -> None:
        while seal_new(self.records, site=self._base.id, keys=self.keys, today=self.today()):
            pass

    def _publish(self) -> None:
        from consent_mw.stats import publish_due  # here, since it is needed once an hour at most

        publish_due(self.records, today=self.today(), seconds_into_day=int(self._clock() % _DAY))

    def _purge(self) -> None:
        self.records.purge(self.today() - self._base.record_days)

    # -- the site, as it grows

    def now(self) -> Now:
        """Return the site as all processes know it, give or take a second."""
        return self._now

    def today(self) -> int:
        """Return whole days since 1970-01-01 UTC."""
        return int(self._clock() // _DAY)

    def _made(self, site: Site, jar: CookieJar) -> Now:
        return Now(site, Notice(site, self.assets), jar, Matcher(site.services))

    def _share_news(self) -> None:
        """Write down what was learned here, and take up what others learned, if anybody came since the last time."""
        if self._visited:
            self._visited = False
            self._learning.share()
            self._grow()

    def _grow(self) -> None:
        """Declare what was learned."""
        with self._lock:
            services = self._learning.services
            if services != self._now.site.services:
                site = replace(self._base, services=services)
                self._now = self._made(site, self._now.cookies.grown(site))

    def _done(self, held: frozenset[str]) -> None:
        """Declare what was held on a learning site; elsewhere, name what is not declared."""
        if self._base.learning:
            if self._learning.saw(held):
                self._grow()
                # Other processes should know before this visitor's answer reaches one of them.
                self._upkeep.hurry("learning", self.patience)
            return
        for id_ in sorted(held):
            if id_ in self._catalogue and id_ not in self._base.by_id and id_ not in self._named:
                self._named.add(id_)
                logger.warning(
                    "%s is on the site but not declared, so it stays held whatever visitors say. To ask them,"
                    ' add to the configuration:\n\n[[services]]\nuse = "%s"\n',
                    self._catalogue[id_].name,
                    id_,
                )


def _variable(header: str) -> str:
    """Return the name of a header in CGI (RFC 3875, section 4.1.18)."""
    return "HTTP_" + header.upper().replace("-", "_")
