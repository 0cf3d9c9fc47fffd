"""
The inventory: the domains and cookies observed in the site's pages, with service, purpose, and first and last day.

Theory of operation
-------------------

Processes add their observations (:mod:`consent_mw.engine.sightings`) to the shared raw counters, by day. These counts
are about pages, not about people, so they are not published as figures but remain raw counters. :func:`condense` limits
their number: for each item only the first and the last day remain, and the last one includes the counts of the days
between. So years take no more space than two days.

Items that were not seen for :data:`KEPT` days are deleted. If there are more than :data:`MOST` rows, the least recently
seen items are deleted first. Of the places where an item was seen, only the first is kept.

:func:`inventory` combines the rows, and determines how the site's current configuration classifies each item. Hosts
that policies blocked or the guard stopped in browsers are included if their counts were published, under their domains
and with the same classification as if they were found in a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from consent_mw.core.counts import AT
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import COOKIE
from consent_mw.core.counts import CSP
from consent_mw.core.counts import HELD
from consent_mw.core.counts import LOADS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PAGES
from consent_mw.core.counts import STOPPED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.days import iso
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
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
    "condense",
    "inventory",
    "lines_to_paste",
    "read",
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
    """The part of :class:`consent_mw.records.Counters` that the inventory uses."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
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
    """The items by name, and the number of examined pages."""

    loaded: tuple[Loaded, ...]
    pages: int

    def new(self, since: int) -> list[Loaded]:
        """Return the items that were first seen on that day or later."""
        return [entry for entry in self.loaded if entry.first >= since]


def condense(store: InventoryStore, today: int) -> int:
    """
    Reduce each item to its first and last day, and return the number of deleted rows.

    Any process may call this at any time, since the store refuses if a row was changed meanwhile. If a process dies
    between the two steps, only numbers of pages are lost.

    Args:
        today: Whole days since 1970-01-01 UTC; rows of today and yesterday may still grow, and are kept.

    Raises:
        RecordsError: if the store fails.
    """
    cells: dict[tuple[str, str], dict[int, int]] = {}
    for count, number in store.counts(today - 1).items():
        if count.table == LOADS:
            cells.setdefault((count.value, count.outcome), {})[count.day] = number
    places: dict[str, tuple[int, str]] = {}
    newest: dict[str, int] = {}
    for (value, outcome), days in cells.items():
        newest[value] = max(newest.get(value, 0), *days)
        if outcome.startswith(AT):
            places[value] = min(places.get(value, (_FOREVER, "")), (min(days), outcome))
    by_last = sorted(cells, key=lambda cell: (cell != ("", PAGES), -newest[cell[0]], cell))
    kept = {cell for cell in by_last[:MOST] if cell == ("", PAGES) or newest[cell[0]] > today - KEPT}
    spent: dict[Count, int] = {}
    added: dict[Count, int] = {}
    for (value, outcome), days in cells.items():
        first, *later = sorted(days)
        stays = {first, *later[-1:]}
        if outcome.startswith(AT):
            stays = {first} if (first, outcome) == places[value] else set()
        if (value, outcome) not in kept:
            stays = set()
        going = sorted(days.keys() - stays)
        spent |= {Count(day, LOADS, value, outcome): days[day] for day in going}
        if going and len(stays) > 1:
            added[Count(max(stays), LOADS, value, outcome)] = sum(days[day] for day in going)
    if not spent or not store.publish((), spent):
        return 0
    if added:
        store.add_counts(added)
    return len(spent)


def read(store: InventoryStore, today: int, site: Site, known: Mapping[str, Service]) -> Inventory:
    """
    Return the inventory in a store.

    Args:
        today: Whole days since 1970-01-01 UTC.
        known: The catalogue, including suspected services.

    Raises:
        RecordsError: if the store fails.
    """
    return inventory(store.counts(today + 1), store.figures(0, _FOREVER), site, known)


def inventory(
    raw: Mapping[Count, int], figures: Iterable[Figures], site: Site, known: Mapping[str, Service]
) -> Inventory:
    """
    Return the inventory.

    Args:
        raw: The raw counters.
        figures: The published figures.
        known: The catalogue, including suspected services.
    """
    found: dict[str, Loaded] = {}
    numbers: dict[tuple[str, str], int] = {}
    pages = latest = 0
    for count, number in sorted(raw.items(), key=lambda item: item[0].day):
        if count.table != LOADS:
            continue
        latest = max(latest, count.day)
        if count.outcome == PAGES:
            pages += number
            continue
        entry = _entry(found, count)
        entry.first, entry.last = min(entry.first, count.day), max(entry.last, count.day)
        if count.outcome.startswith(AT):
            entry.where = entry.where or count.outcome.removeprefix(AT)
            continue
        cell = (entry.name, count.outcome)
        numbers[cell] = numbers.get(cell, 0) + number
        # A page may load several kinds of elements from a domain, so the most frequent kind is a lower bound.
        entry.pages = max(entry.pages, numbers[cell])
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
    return Inventory(tuple(sorted(found.values(), key=lambda entry: (bool(entry.cookie), entry.name))), pages)


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


def _entry(found: dict[str, Loaded], count: Count) -> Loaded:
    """Return the entry that a row belongs to, updated from the row's outcome."""
    kind, _, rest = count.outcome.partition(" ")
    service, _, what = rest.partition(" ")
    is_place = count.outcome.startswith(AT)
    cookie = count.value.removeprefix(COOKIE) if count.value.startswith(COOKIE) else ""
    domain = "" if cookie else count.value
    entry = found.setdefault(count.value or f" {service}", Loaded(domain, cookie))
    if not is_place:
        entry.kinds.add(kind)
        entry.services |= {service} - {"-"}
        entry.held = entry.held or what == HELD
        entry.left = entry.left or what != HELD
    return entry


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
