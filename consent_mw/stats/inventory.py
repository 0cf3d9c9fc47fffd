"""
The inventory: what the site's pages were seen to load, by whom, what for, and since when.

Theory of operation
-------------------

Processes count what they see (:mod:`consent_mw.engine.sightings`) like all else, by day, into the records that they
share. These counts are about pages and not about people, so they are not published as figures: they stay counts, and
:func:`condense` keeps them small. Of each thing two days are kept, the first and the last on which it was seen, and the
number of all days between stands with the last. So years take no more room than two days.

Whatever was not seen for :data:`KEPT` days is forgotten, and of more than :data:`MOST` things those that were seen last
the longest ago. Of where a thing was seen only the first place is kept.

:func:`inventory` puts the rows together, and says what is thought of each thing by the site as it is configured now.
What policies stopped in browsers joins in, as far as it was published.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from consent_mw.core.counts import AT
from consent_mw.core.counts import COOKIE
from consent_mw.core.counts import CSP
from consent_mw.core.counts import HELD
from consent_mw.core.counts import LOADS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PAGES
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

#: A thing that was not seen for so many days, on a site whose pages were looked at, is gone.
GONE_AFTER = 14
#: Days for which a thing counts as new where nobody says otherwise.
NEW = 7
#: Days after which a thing that was not seen again is forgotten.
KEPT = 400
#: The most rows of things that are kept.
MOST = 4096

#: What may be thought of a thing.
STANDINGS = ("declared", "allowed", "known", "suspected", "own", "unknown")

#: Later than any day, within what every store can hold.
_FOREVER = 2**31 - 1
#: Kinds of elements that bring what a visitor sees.
_SEEN = frozenset({"style", "picture", "font"})
#: The kind of what browsers reported, and of code that stands in pages.
_REPORTED = "report"


class InventoryStore(Protocol):
    """What the inventory asks of :class:`consent_mw.records.Counters`."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
        ...

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one."""
        ...

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Forget raw counters, if they are what ``spent`` says."""
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that have a day between the two."""
        ...


@dataclass(slots=True)
class Loaded:
    """
    One domain, cookie, or code in the pages, with all that is known of it.

    Args:
        domain: The registrable domain; empty for cookies, and for code that stands in pages.
        cookie: The name of a cookie, with ``*`` for what differs; or empty.
        services: Ids of the services that it is known for.
    """

    domain: str
    cookie: str = ""
    services: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    #: Pages that were looked at and had it.
    pages: int = 0
    first: int = _FOREVER
    last: int = 0
    #: The part of the site where it was seen first: the first folder of a path.
    where: str = ""
    held: bool = False
    left: bool = False
    #: ``declared``, ``allowed``, ``known``, ``suspected``, ``own`` or ``unknown``.
    standing: str = "unknown"
    purposes: tuple[str, ...] = ()
    gone: bool = False

    @property
    def name(self) -> str:
        """What to call it: its domain, the cookie, or the services of code that has no domain."""
        return self.domain or self.cookie or ", ".join(sorted(self.services))

    @property
    def state(self) -> str:
        """What became of it: ``held``, ``runs``, or ``held for some``."""
        return "runs" if not self.held else "held for some" if self.left else "held"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was seen, by name, and on how many pages that were looked at."""

    loaded: tuple[Loaded, ...]
    pages: int

    def new(self, since: int) -> list[Loaded]:
        """Return what was seen for the first time on that day or later."""
        return [entry for entry in self.loaded if entry.first >= since]


def condense(store: InventoryStore, today: int) -> int:
    """
    Keep of each thing its first day and its last, and return how many rows went.

    Any process may do it at any time: a store takes only what nobody has changed meanwhile. A process that dies
    between its two steps loses numbers of pages, and nothing else.

    Args:
        today: Whole days since 1970-01-01 UTC; rows of today and yesterday are still being added to, and stay.

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
        known: The catalogue, strangers among it.

    Raises:
        RecordsError: if the store fails.
    """
    return inventory(store.counts(today + 1), store.figures(0, _FOREVER), site, known)


def inventory(
    raw: Mapping[Count, int], figures: Iterable[Figures], site: Site, known: Mapping[str, Service]
) -> Inventory:
    """
    Return what was loaded.

    Args:
        raw: The counts.
        figures: What was published.
        known: The catalogue, strangers among it.
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
        # A page may have several kinds of a domain: the most frequent one says on how many pages it is at least.
        entry.pages = max(entry.pages, numbers[cell])
    for run in figures:
        for host, _ in run.cells if run.table == CSP else ():
            if host != OTHER:
                entry = found.setdefault(host, Loaded(host))
                entry.first, entry.last = min(entry.first, run.first), max(entry.last, run.last)
                entry.kinds.add(_REPORTED)
                entry.held = True
    for entry in found.values():
        entry.gone = entry.last <= latest - GONE_AFTER
        _judge(entry, site, known)
    return Inventory(tuple(sorted(found.values(), key=lambda entry: (bool(entry.cookie), entry.name))), pages)


def _entry(found: dict[str, Loaded], count: Count) -> Loaded:
    """Return the entry that a row belongs to, with what the row's outcome says of it."""
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
    """Say what is thought of an entry."""
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
    Return the inventory as what ``json.dumps`` takes, days as YYYY-MM-DD.

    Args:
        newest: The first day of what counts as new.
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
    """Return the lines of ``consent.toml`` that declare what is known, or that let a suspect through."""
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
