"""
Observations: what a site's own pages contain. They are about pages, never about visitors or addresses.

An observation is a :class:`Sighting`, with its :class:`Occurrence`: the days on which pages contained it. A site has
one set of them, which its processes share through the records. Two questions are answered from it: which services
visitors are asked about, and what is in the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from consent_mw.core.counts import LOADS
from consent_mw.core.counts import Count

__all__ = ["COOKIE", "PAGE", "Occurrence", "Sighting", "from_counts", "of_service"]

#: Prefix of the name of a cookie.
COOKIE = "="
_CODE = "code"


class Sighting(NamedTuple):
    """
    Something that pages contain.

    Args:
        name: A registrable domain; COOKIE followed by a cookie's name; or empty for a service as such.
        kind: The kind of element.
        service: The id of the service that it belongs to; empty if unknown.
        held: Whether it was held.
    """

    name: str
    kind: str
    service: str = ""
    held: bool = False

    @property
    def of_service(self) -> bool:
        """Whether it says that a service was held, wherever its code comes from."""
        return not self.name and self.kind == _CODE


#: A page that was inspected.
PAGE = Sighting("", "page")


def of_service(id_: str) -> Sighting:
    """Return the sighting that says that a service was held."""
    return Sighting("", _CODE, id_, held=True)


class Occurrence(NamedTuple):
    """
    When pages contained something. Days are whole days since 1970-01-01 UTC.

    Args:
        first: The first day.
        last: The last day.
        pages: The number of inspected pages that contained it.
        place: The part of the site where it was first seen: the first folder of the path; empty if unknown.
    """

    first: int
    last: int
    pages: int = 0
    place: str = ""

    def joined(self, other: Occurrence) -> Occurrence:
        """Return both as one; the place is that of the earlier one that has a place."""
        earlier, later = (self, other) if self.first <= other.first else (other, self)
        last = max(self.last, other.last)
        return Occurrence(earlier.first, last, self.pages + other.pages, earlier.place or later.place)


def from_counts(counts: Mapping[Count, int]) -> dict[Sighting, Occurrence]:
    """Return the observations that earlier versions kept among the raw counters, in the table LOADS."""
    places: dict[str, tuple[int, str]] = {}
    found: dict[Sighting, Occurrence] = {}
    for count, number in counts.items():
        if count.table != LOADS:
            continue
        kind, _, rest = count.outcome.partition(" ")
        service, _, what = rest.partition(" ")
        if kind == "at":
            places[count.value] = min(places.get(count.value, (count.day, rest)), (count.day, rest))
            continue
        sighting = Sighting(count.value, kind, service.removeprefix("-"), what == "held")
        occurrence = Occurrence(count.day, count.day, number)
        sighting = PAGE if kind == "pages" else sighting
        found[sighting] = found[sighting].joined(occurrence) if sighting in found else occurrence
    return {
        sighting: occurrence._replace(place=places.get(sighting.name, (0, ""))[1] if sighting.name else "")
        for sighting, occurrence in found.items()
    }
