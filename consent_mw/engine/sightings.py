"""
What the site's own pages load, for the inventory: counted by domain and kind of element, never by visitor or address.

Theory of operation
-------------------

Plans for tags are remembered from page to page, so that most of a page is never looked at closely. An inventory that
asked about each tag of each page would undo that. It is enough to look at some: the first page of each section (the
first folder of the path) each day, and one page in :data:`EVERY` after that, of those that are read anyway. A page that
is known by heart is read again for the inventory on the first view of its section on a later day. Such a view reads its
page with an empty memory, which costs a few milliseconds once; all others pay one comparison.

What is written is a count (:mod:`consent_mw.core.counts`): day, registrable domain or name of a cookie, and one word
each for the kind of element, the service, and whether it was held. The number is that of the pages that were looked at
and had it. Where a thing was seen first is told by the first folder of the path, and only where that is a plain word.
Things of a day are bounded, and so is everything else, since kinds and services are few.

Nothing here may tell of a visitor. Sub-domains and paths are made for visitors, and so are parts of names of cookies:
what has a digit in it, or is long, becomes ``*``.

What nobody had seen before, in any process, is news. It is logged once, if it is somebody that the catalogue knows or
that looks like a tracker. A site whose inventory has only just begun has no news.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import NamedTuple

from consent_mw.core.counts import AT
from consent_mw.core.counts import COOKIE
from consent_mw.core.counts import HELD
from consent_mw.core.counts import LEFT
from consent_mw.core.counts import LOADS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PAGES
from consent_mw.core.counts import Count
from consent_mw.html.urls import Url
from consent_mw.html.urls import site_of
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.headers import Headers
from consent_mw.http.tracker_cookies import is_own

__all__ = ["EVERY", "PageSightings", "Sightings", "plain_cookie"]

logger = logging.getLogger("consent_mw")

#: One page in so many is looked at, besides the first of each section on each day.
EVERY = 50
#: The most sections whose first page is looked at on a day; visitors may invent paths.
_MOST_SECTIONS = 64
#: The most domains, and names of cookies, that one process counts by name on a day.
_MOST_NAMES = 256
_LONGEST_DOMAIN = 100
#: A folder that may be named, and stands for no visitor by itself.
_FOLDER = re.compile(r"[a-z]{2,20}(?:[-_][a-z]{2,20}){0,2}")
#: What of a cookie's name may have been made for one visitor.
_MADE = re.compile(r"[A-Za-z0-9]*[0-9][A-Za-z0-9]*|[A-Za-z]{17,}|[^A-Za-z0-9_.-]+")
_LONGEST_COOKIE = 48

#: Adds the rows (value, outcome) to the counts of today.
Add = Callable[[Iterable[tuple[str, str]]], object]


class Sightings:
    """
    Decides which views of pages are looked at, and counts what is seen there; shared by threads.

    Two threads that meet look at one page more; nothing else can go wrong, so there is no lock.

    Args:
        add: Where counts go.
        today: Whole days since 1970-01-01 UTC.
    """

    def __init__(self, add: Add, today: Callable[[], int]) -> None:
        self._add = add
        self._today = today
        self._day = self._first = -1
        self._views = 0
        self._sections: set[str] = set()
        self._names: set[str] = set()
        #: What any process has seen before, by name and service; None until it was read, or where all of it is new.
        self._known: frozenset[tuple[str, str]] | None = None
        self._told: set[tuple[str, str]] = set()

    def recall(self, rows: Mapping[Count, int]) -> None:
        """Hear what all processes have seen until now, so that what is new can be told from it."""
        loads = [count for count in rows if count.table == LOADS]
        if any(count.day < self._today() for count in loads):
            self._known = frozenset((count.value, _service(count.outcome)) for count in loads)

    def due(self, path: str) -> bool:
        """Return whether a page has to be read for the inventory's sake: the first of its section on a later day."""
        day = self._today()
        if self._first < 0 or day == self._first:
            return False
        return day != self._day or (len(self._sections) < _MOST_SECTIONS and _section(path) not in self._sections)

    def look(self, path: str) -> PageSightings | None:
        """Return what is told of the view of a page, or None where this view is not looked at."""
        day = self._today()
        if day != self._day:
            self._day, self._sections, self._names = day, set(), set()
        self._views += 1
        if self._first < 0:
            self._first = day
        section = _section(path)
        new = section not in self._sections and len(self._sections) < _MOST_SECTIONS
        if not new and self._views % EVERY:
            return None
        self._sections.add(section)
        return PageSightings(self, f"/{section}" if _FOLDER.fullmatch(section) or not section else "/*")

    def count(self, sighting: Sighting, where: str) -> None:
        """Count that a page has something; an empty name stands for the page itself."""
        name = sighting.name
        rows = [(name, sighting.outcome)]
        if name not in self._names:
            if len(self._names) >= _MOST_NAMES or len(name) > _LONGEST_DOMAIN:
                rows = [(OTHER, sighting.outcome)]
            elif name:
                rows.append((name, AT + where))
            self._names.add(rows[0][0])
        self._add(rows)
        self._tell_of_news(sighting, where)

    def _tell_of_news(self, sighting: Sighting, where: str) -> None:
        """Log, once, what no process had seen before."""
        key = (sighting.name, sighting.service)
        if self._known is None or not sighting.service or key in self._known or key in self._told:
            return
        if len(self._told) < _MOST_NAMES:
            self._told.add(key)
            logger.warning(
                "new on the site: %s on %s (%s), %s. consent-mw inventory shows all of it",
                sighting.name.removeprefix(COOKIE) or "code in the page",
                where,
                sighting.service,
                "held until visitors grant it" if sighting.held else "let through",
            )


class Sighting(NamedTuple):
    """Something that a page has: a row of the inventory."""

    #: A registrable domain, a cookie's name behind COOKIE, or nothing.
    name: str
    kind: str = ""
    service: str = ""
    held: bool = False

    @property
    def outcome(self) -> str:
        """The outcome under which it is counted."""
        return f"{self.kind} {self.service or '-'} {HELD if self.held else LEFT}" if self.kind else PAGES


def plain_cookie(name: str) -> str:
    """Return the name of a cookie with ``*`` for what may have been made for one visitor."""
    return _MADE.sub("*", name[:_LONGEST_COOKIE])


def _section(path: str) -> str:
    """Return the first folder of a path, or what stands for it."""
    return path.split("/", 2)[1] if "/" in path else ""


def _service(outcome: str) -> str:
    """Return the id of the service that an outcome names, or nothing."""
    parts = outcome.split(" ")
    return parts[1] if len(parts) > 2 and parts[1] != "-" else ""  # noqa: PLR2004


class PageSightings:
    """
    What one view of a page loads: each thing once.

    Args:
        sightings: Of the process.
        where: The part of the site that the page is in.
    """

    def __init__(self, sightings: Sightings, where: str) -> None:
        self._sightings = sightings
        self._where = where
        self._seen: set[Sighting] = set()

    def begin(self) -> None:
        """Count the page."""
        self._once(Sighting(""))

    def saw(self, host: str, kind: str, service: str, held: bool) -> None:
        """
        Count that the page loads something of a third party.

        Args:
            host: Whose it is; empty for code that stands in the page.
            kind: What sort of element asks for it.
            service: The id of the service, or empty where nobody described it.
            held: Whether it was kept from loading.
        """
        self._once(Sighting(site_of(host) if host else "", kind, service, held))

    def loaded(self, url: Url, kind: str, service: str, held: bool) -> None:
        """Count that an element of the page names an address of a third party; nothing but its domain is taken."""
        self.saw(url.host, kind, service, held)

    def cookies(self, headers: Headers, held: Iterable[str], services_of: Callable[[str], Iterable[str]]) -> None:
        """
        Count the cookies that the response sets, with the services that they belong to.

        Args:
            headers: Of the response, as it is sent.
            held: Names of cookies that were taken out of it.
            services_of: Returns the ids of all services that a cookie may be of.
        """
        left = {name_of_pair(value) for name, value in headers if name.lower() == "set-cookie"}
        for name in sorted(left.union(held)):
            if not is_own(name):
                service = min(services_of(name), default="")
                self._once(Sighting(COOKIE + plain_cookie(name), "cookie", service, name not in left))

    def code(self, ids: frozenset[str]) -> None:
        """Count services that were held in the page: the code of some stands there, with no address of theirs."""
        for id_ in sorted(ids):
            if not any(sighting.service == id_ and sighting.kind != "cookie" for sighting in self._seen):
                self.saw("", "code", id_, True)

    def _once(self, sighting: Sighting) -> None:
        if sighting not in self._seen:
            self._seen.add(sighting)
            self._sightings.count(sighting, self._where)
