"""The observations of a site's pages in SQL."""

from __future__ import annotations

from collections.abc import Mapping

from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.records.rows import number_in
from consent_mw.records.sql.session import SqlStore

# The place is that of the earlier day, as in :meth:`Occurrence.joined`.
_OBSERVE = (
    "INSERT INTO observed (site, name, kind, service, held, first_day, last_day, pages, place) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, name, kind, service, held) DO UPDATE SET "
    "place = CASE WHEN excluded.place = '' OR (observed.place <> '' AND observed.first_day <= excluded.first_day) "
    "THEN observed.place ELSE excluded.place END, "
    "first_day = CASE WHEN excluded.first_day < observed.first_day "
    "THEN excluded.first_day ELSE observed.first_day END, "
    "last_day = CASE WHEN excluded.last_day > observed.last_day THEN excluded.last_day ELSE observed.last_day END, "
    "pages = observed.pages + excluded.pages"
)


class SqlObservations(SqlStore):
    """What the pages of a site were seen to contain."""

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations, all or nothing."""
        # Always in the same order, so that no two processes deadlock.
        rows = [(self.site, *what[:3], int(what.held), *seen[what]) for what in sorted(seen)]
        if rows:
            with self._transaction(alone=False) as session:
                session.change_all(_OBSERVE, rows)

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations."""
        query = "SELECT name, kind, service, held, first_day, last_day, pages, place FROM observed WHERE site = ?"
        with self._reading(slow=True) as session:
            return {
                Sighting(str(name), str(kind), str(service), bool(held)): Occurrence(
                    number_in(first), number_in(last), number_in(pages), str(place)
                )
                for name, kind, service, held, first, last, pages, place in session.rows(query, self.site)
            }

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that were held in any page."""
        name, kind, _, held = of_service("")
        query = "SELECT service FROM observed WHERE site = ? AND name = ? AND kind = ? AND held = ?"
        with self._reading() as session:
            found = session.rows(query, self.site, name, kind, int(held))
        return frozenset(str(service) for (service,) in found)

    def forget_observations(self, before: int, most: int) -> None:
        """Delete third parties and cookies that pages last contained before that day, and all but the latest."""
        old = "DELETE FROM observed WHERE site = ? AND name <> '' AND last_day < ?"
        surplus = (
            "DELETE FROM observed WHERE site = ? AND (name, kind, service, held) IN (SELECT name, kind, service, held "
            "FROM observed WHERE site = ? AND name <> '' "
            "ORDER BY last_day DESC, name, kind, service, held LIMIT 1000000 OFFSET ?)"
        )
        with self._transaction(alone=False) as session:
            session.change(old, self.site, before)
            session.change(surplus, self.site, self.site, most)
