"""
What the site's own pages load, for the inventory: counted by domain and kind of element, never by visitor or address.

Theory of operation
-------------------

Plans for tags are cached across pages, so most tags are never examined again. An inventory that examined each tag of
each page would undo that, so it samples: the first page of each section (the first folder of the path) on each day, and
then one in :data:`EVERY` of the pages that are parsed anyway. A page with a stored plan is parsed again for the first
view of its section on a later day. A sampled view parses its page without cached plans, which costs a few milliseconds
once; all other views pay one comparison.

The result is an observation (:mod:`consent_mw.core.observations`): registrable domain or cookie name, kind of element,
service, and whether it was held. It counts the sampled pages that contained the thing. The place of the first sighting
is the first folder of the path, if that is a plain word. The number of things per day is bounded; kinds and services
are few.

Nothing here may identify a visitor. Subdomains, paths and parts of cookie names can be unique to one: a part that is
long or contains a digit becomes ``*``.

A thing that no process had seen before is news. It is logged once if the catalogue knows it or if it looks like a
tracker. There is no news while an inventory is only just starting.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.core.counts import OTHER
from consent_mw.core.observations import COOKIE
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.html.urls import Url
from consent_mw.html.urls import site_of
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.headers import Headers
from consent_mw.http.tracker_cookies import is_own

__all__ = ["EVERY", "PageSightings", "Sightings", "plain_cookie"]

logger = logging.getLogger("consent_mw")

#: One page in so many is sampled, besides the first of each section on each day.
EVERY = 50
#: The most sections whose first page is sampled on a day; visitors may invent paths.
_MOST_SECTIONS = 64
#: The most domains, and names of cookies, that one process counts by name on a day.
_MOST_NAMES = 256
_LONGEST_DOMAIN = 100
#: A folder name that can be stored, because it cannot identify a visitor.
_FOLDER = re.compile(r"[a-z]{2,20}(?:[-_][a-z]{2,20}){0,2}")
#: The parts of a cookie's name that may be unique to one visitor.
_MADE = re.compile(r"[A-Za-z0-9]*[0-9][A-Za-z0-9]*|[A-Za-z]{17,}|[^A-Za-z0-9_.-]+")
_LONGEST_COOKIE = 48

#: Adds a sighting in a part of the site to the observations of today.
Add = Callable[[Sighting, str], object]


class Sightings:
    """
    Decides which page views are sampled, and records what they contain; shared by threads.

    There is no lock: the worst effect of a race is that one page more is sampled.

    Args:
        add: Adds to the observations.
        today: Returns whole days since 1970-01-01 UTC.
        on: Whether there is an inventory; without one no view is sampled.
    """

    def __init__(self, add: Add, today: Callable[[], int], *, on: bool = True) -> None:
        self._add = add
        self._today = today
        self._on = on
        self._day = self._first = -1
        self._views = 0
        self._sections: set[str] = set()
        self._names: set[str] = set()
        #: What any process has seen before, by name and service; None until it is loaded, or while everything is new.
        self._known: frozenset[tuple[str, str]] | None = None
        self._told: set[tuple[str, str]] = set()

    def recall(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Load what all processes have seen so far, so that news can be recognised."""
        if any(occurrence.first < self._today() for sighting, occurrence in seen.items() if not sighting.of_service):
            inspected = [sighting for sighting, occurrence in seen.items() if occurrence.pages]
            self._known = frozenset((name, sighting.service) for sighting in inspected for name in ("", sighting.name))

    def due(self, path: str) -> bool:
        """Return whether a page must be parsed for the inventory: the first of its section on a new day."""
        day = self._today()
        if self._first < 0 or day == self._first:
            return False
        return day != self._day or (len(self._sections) < _MOST_SECTIONS and _section(path) not in self._sections)

    def look(self, path: str) -> PageSightings | None:
        """Return the recorder for a page view, or None if the view is not sampled."""
        if not self._on:
            return None
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

    def saw(self, sighting: Sighting, where: str) -> None:
        """Record that a page contains something."""
        name = sighting.name
        if name not in self._names and (len(self._names) >= _MOST_NAMES or len(name) > _LONGEST_DOMAIN):
            name = OTHER
        self._names.add(name)
        self._add(sighting._replace(name=name), where)
        self._tell_of_news(sighting, where)

    def _tell_of_news(self, sighting: Sighting, where: str) -> None:
        """Log something that no process had seen before, once."""
        key = (sighting.name, sighting.service)
        if self._known is None or not sighting.service or key in self._known or key in self._told:
            return
        if len(self._told) < _MOST_NAMES:
            self._told |= {key, ("", sighting.service)}
            logger.warning(
                "new on the site: %s on %s (%s), %s. consent-mw inventory shows all of it",
                sighting.name.removeprefix(COOKIE) or "code in the page",
                where,
                sighting.service,
                "held until visitors grant it" if sighting.held else "let through",
            )


def plain_cookie(name: str) -> str:
    """Return the name of a cookie with ``*`` for parts that may be unique to one visitor."""
    return _MADE.sub("*", name[:_LONGEST_COOKIE])


def _section(path: str) -> str:
    """Return the first folder of a path, or a placeholder if it must not be stored."""
    return path.split("/", 2)[1] if "/" in path else ""


class PageSightings:
    """
    Records what one page view loads, each thing once.

    Args:
        sightings: The recorder of the process.
        where: The section of the page.
    """

    def __init__(self, sightings: Sightings, where: str) -> None:
        self._sightings = sightings
        self._where = where
        self._seen: set[Sighting] = set()

    def begin(self) -> None:
        """Count the page."""
        self._once(PAGE)

    def saw(self, host: str, kind: str, service: str, held: bool) -> None:
        """
        Count that the page loads something of a third party.

        Args:
            host: The third party's host.
            kind: The kind of element.
            service: The id of the service; empty if it is unknown.
            held: Whether it was held.
        """
        self._once(Sighting(site_of(host), kind, service, held))

    def loaded(self, url: Url, kind: str, service: str, held: bool) -> None:
        """Count that an element loads a third party's address; only its domain is used."""
        self.saw(url.host, kind, service, held)

    def cookies(self, headers: Headers, held: Iterable[str], services_of: Callable[[str], Iterable[str]]) -> None:
        """
        Count the cookies that the response sets, with the services that they belong to.

        Args:
            headers: The response headers as they are sent.
            held: Names of cookies that were removed from it.
            services_of: Returns the ids of all services that a cookie may belong to.
        """
        left = {name_of_pair(value) for name, value in headers if name.lower() == "set-cookie"}
        for name in sorted(left.union(held)):
            if not is_own(name):
                service = min(services_of(name), default="")
                self._once(Sighting(COOKIE + plain_cookie(name), "cookie", service, name not in left))

    def code(self, ids: frozenset[str]) -> None:
        """Count services that were held in the page, wherever their code comes from."""
        for id_ in sorted(ids):
            self._once(of_service(id_))

    def _once(self, sighting: Sighting) -> None:
        if sighting not in self._seen:
            self._seen.add(sighting)
            self._sightings.saw(sighting, self._where)
