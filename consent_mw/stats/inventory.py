"""
The inventory: the domains and cookies observed in the site's pages, with service, purpose, and first and last day.

Theory of operation
-------------------

Processes share what they observe in the site's pages (:mod:`consent_mw.records.observations`): the first and last day
of each item, the number of inspected pages that had it, and the place where it was first seen. So years take no more
space than a day. :func:`tidy` limits the number: items that were not seen for :data:`KEPT` days are deleted, and if
there are more than :data:`MOST` rows, those that were seen least recently.

:func:`inventory` combines the rows, and classifies each item by the site's current configuration. A held service is a
separate item only if no domain is known for it, because its code is in the pages. Hosts that policies blocked or the
guard stopped in browsers are included if their counts were published, under their domains and with the same
classification as if they had been found in a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import LOADS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import STOPPED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.days import iso
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.core.observations import COOKIE
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import from_counts
from consent_mw.html.urls import site_of

__all__ = [
    "GONE_AFTER",
    "KEPT",
    "MOST",
    "NEW",
    "STANDINGS",
    "Inventory",
    "Loaded",
    "as_json",
    "inventory",
    "lines_to_paste",
    "read",
    "tidy",
]

#: An item is gone if it was not seen in this many days before the site's latest observation.
GONE_AFTER = 14
#: The default number of days for which an item counts as new.
NEW = 7
#: Days after which an item that was not seen again is deleted.
KEPT = 400
#: The most rows that are kept.
MOST = 4096

#: The classes of items.
STANDINGS = ("declared", "allowed", "known", "suspected", "own", "unknown")

#: A number later than any day that every store can represent.
_FOREVER = 2**31 - 1
#: Kinds of elements that determine the page's appearance.
_SEEN = frozenset({"style", "picture", "font"})
#: The kinds of hosts that browsers reported, by outcome.
_REPORTED = {BLOCKED: "report", STOPPED: "runtime"}


class InventoryStore(Protocol):
    """The part of :class:`consent_mw.records.Records` that the inventory uses."""

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations, all or nothing."""
        ...

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations."""
        ...

    def forget_observations(self, before: int, most: int) -> None:
        """Delete what pages last contained before that day, and all but the ``most`` latest."""
        ...

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of earlier days."""
        ...

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Delete the raw counters in ``spent``, if none of them has changed."""
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap the days from ``first`` to ``last``."""
        ...


@dataclass(slots=True)
class Loaded:
    """
    An item: a domain, a cookie, or code in the pages.

    Args:
        domain: The registrable domain; empty for cookies and for code in the pages.
        cookie: The name of a cookie, with ``*`` for its variable part; or empty.
        services: The ids of the services that it belongs to.
    """

    domain: str
    cookie: str = ""
    services: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    #: The number of examined pages that contained it.
    pages: int = 0
    first: int = _FOREVER
    last: int = 0
    #: The part of the site where it was first seen: the first folder of the path.
    where: str = ""
    held: bool = False
    left: bool = False
    #: ``declared``, ``allowed``, ``known``, ``suspected``, ``own`` or ``unknown``.
    standing: str = "unknown"
    purposes: tuple[str, ...] = ()
    gone: bool = False

    @property
    def name(self) -> str:
        """Its display name: the domain, the cookie, or the services of code without a domain."""
        return self.domain or self.cookie or ", ".join(sorted(self.services))

    @property
    def state(self) -> str:
        """Whether it was held: ``held``, ``runs``, or ``held for some``."""
        return "runs" if not self.held else "held for some" if self.left else "held"


@dataclass(frozen=True, slots=True)
class Inventory:
    """
    The inventory of a site.

    Args:
        loaded: The items, by name.
        pages: The number of examined pages.
        outcomes: The number of these on which a service was held (True) or ran (False), by its id and this.
    """

    loaded: tuple[Loaded, ...]
    pages: int
    outcomes: Mapping[tuple[str, bool], int]

    def new(self, since: int) -> list[Loaded]:
        """Return the items that were first seen on that day or later."""
        return [entry for entry in self.loaded if entry.first >= since]


def tidy(store: InventoryStore, today: int) -> None:
    """
    Delete what is old or too much, and take over what earlier versions kept among the raw counters.

    Any process may call this at any time. If two take over the same counters, some pages count twice.

    Args:
        today: Whole days since 1970-01-01 UTC.

    Raises:
        RecordsError: if the store fails.
    """
    old = {count: number for count, number in store.counts(_FOREVER).items() if count.table == LOADS}
    if old:
        store.observe(from_counts(old))
        store.publish((), old)
    store.forget_observations(today - KEPT, MOST)


def read(store: InventoryStore, site: Site, known: Mapping[str, Service]) -> Inventory:
    """
    Return the inventory in a store.

    Args:
        known: The catalogue, including suspected services.

    Raises:
        RecordsError: if the store fails.
    """
    seen = store.observed()
    for sighting, occurrence in from_counts(store.counts(_FOREVER)).items():
        seen[sighting] = seen[sighting].joined(occurrence) if sighting in seen else occurrence
    return inventory(seen, store.figures(0, _FOREVER), site, known)


def inventory(
    seen: Mapping[Sighting, Occurrence], figures: Iterable[Figures], site: Site, known: Mapping[str, Service]
) -> Inventory:
    """
    Return the inventory.

    Args:
        seen: What was observed in the site's pages.
        figures: The published figures.
        known: The catalogue, including suspected services.
    """
    found: dict[str, Loaded] = {}
    latest = max((occurrence.last for occurrence in seen.values()), default=0)
    addressed = {sighting.service for sighting in seen if sighting.name and not sighting.name.startswith(COOKIE)}
    # In this order, so that an item gets the place of its first day.
    for sighting, occurrence in sorted(seen.items(), key=lambda item: (item[1].first, item[0])):
        if sighting == PAGE or (
            sighting.of_service and (sighting.service in addressed or occurrence.last < latest - KEPT)
        ):
            continue
        _add(found, sighting, occurrence)
    reported = [(run, *cell) for run in figures if run.table == CSP for cell in run.cells if cell[0] != OTHER]
    by_host = _ids_by_host((*known.values(), *site.services)) if reported else {}
    for run, host, outcome in reported:
        entry = found.setdefault(site_of(host), Loaded(site_of(host)))
        entry.first, entry.last = min(entry.first, run.first), max(entry.last, run.last)
        entry.kinds.add(_REPORTED[outcome])
        entry.services |= _ids_of(host, by_host)
        entry.held = True
    for entry in found.values():
        entry.gone = entry.last <= latest - GONE_AFTER
        _judge(entry, site, known)
    loaded = tuple(sorted(found.values(), key=lambda entry: (bool(entry.cookie), entry.name)))
    return Inventory(loaded, seen[PAGE].pages if PAGE in seen else 0, _outcomes(seen))


def _outcomes(seen: Mapping[Sighting, Occurrence]) -> dict[tuple[str, bool], int]:
    """Return on how many examined pages each service was held, and on how many it ran."""
    found: dict[tuple[str, bool], int] = {}
    for sighting, occurrence in seen.items():
        if sighting.service:
            # A page may have several elements of a service, so the most frequent one is a lower bound.
            outcome = sighting.service, sighting.held
            found[outcome] = max(found.get(outcome, 0), occurrence.pages)
    return found


def _ids_by_host(services: Iterable[Service]) -> dict[str, set[str]]:
    """Return the ids of the services to which whole hosts belong, by host."""
    ids: dict[str, set[str]] = {}
    for service in services:
        for rule in service.hosts:
            if "/" not in rule:
                ids.setdefault(rule, set()).add(service.id)
    return ids


def _ids_of(host: str, by_host: Mapping[str, set[str]]) -> set[str]:
    """Return the ids of the services that a host belongs to, by the longest name that ends it."""
    labels = host.split(".")
    names = (".".join(labels[at:]) for at in range(len(labels)))
    return next((by_host[name] for name in names if name in by_host), set())


def _add(found: dict[str, Loaded], sighting: Sighting, occurrence: Occurrence) -> None:
    """Add an observation to the item that it belongs to."""
    cookie = sighting.name.removeprefix(COOKIE) if sighting.name.startswith(COOKIE) else ""
    domain = "" if cookie else sighting.name
    entry = found.setdefault(sighting.name or f" {sighting.service}", Loaded(domain, cookie))
    entry.kinds.add(sighting.kind)
    entry.services |= {sighting.service} - {""}
    entry.held = entry.held or sighting.held
    entry.left = entry.left or not sighting.held
    entry.first, entry.last = min(entry.first, occurrence.first), max(entry.last, occurrence.last)
    entry.where = entry.where or occurrence.place
    # A page may load several kinds of elements from a domain, so the most frequent kind is a lower bound.
    entry.pages = max(entry.pages, occurrence.pages, 1)


def _judge(entry: Loaded, site: Site, known: Mapping[str, Service]) -> None:
    """Classify an entry by the site's configuration and the catalogue."""
    described = [site.by_id[id_] for id_ in sorted(entry.services) if id_ in site.by_id]
    declared = [service for service in described if not service.suspected]
    others = [known[id_] for id_ in sorted(entry.services) if id_ not in site.by_id and id_ in known]
    strangers = [service for service in (*described, *others) if service.suspected]
    entry.purposes = tuple(sorted({purpose for service in (*described, *others) for purpose in service.purposes}))
    if declared:
        entry.standing = "declared"
    elif entry.domain and entry.domain in {site_of(rule.partition("/")[0]) for rule in site.allow_hosts}:
        entry.standing = "allowed"
    elif any(not service.suspected for service in others):
        entry.standing = "known"
    elif strangers or UNKNOWN_SERVICE in entry.services:
        entry.standing = "suspected"
    elif entry.kinds & _SEEN or entry.cookie:
        entry.standing = "own"


def as_json(found: Inventory, newest: int) -> dict[str, object]:
    """
    Return the inventory as JSON data, with days as YYYY-MM-DD.

    Args:
        newest: Items first seen on this day or later count as new.
    """
    rows = [
        {
            "name": entry.name,
            "domain": entry.domain,
            "cookie": entry.cookie,
            "standing": entry.standing,
            "services": sorted(entry.services),
            "purposes": list(entry.purposes),
            "kinds": sorted(entry.kinds),
            "pages": entry.pages,
            "first": iso(entry.first),
            "last": iso(entry.last),
            "where": entry.where,
            "held": entry.held,
            "left": entry.left,
            "new": entry.first >= newest,
            "gone": entry.gone,
        }
        for entry in found.loaded
    ]
    return {"format": "consent_mw.inventory.v1", "pages": found.pages, "loaded": rows}


def lines_to_paste(entry: Loaded, site: Site, known: Mapping[str, Service]) -> str:
    """Return the lines for ``consent.toml`` that declare a known service or allow a suspected host."""
    if entry.standing == "known":
        ids = [
            id_
            for id_ in sorted(entry.services - site.by_id.keys())
            if id_ in known and not known[id_].necessary and not known[id_].suspected
        ]
        return "\n".join(f'[[services]]\nuse = "{id_}"\n' for id_ in ids)
    if entry.standing == "suspected" and entry.domain:
        return f'# in [site], if the site needs it:\nallow_hosts = ["{entry.domain}"]\n'
    return ""
