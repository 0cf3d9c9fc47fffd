"""The counters and published figures in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.records.rows import cells_of
from consent_mw.records.rows import cells_text
from consent_mw.records.rows import number_in
from consent_mw.records.rows import row_of_count
from consent_mw.records.rows import sorted_counts
from consent_mw.records.sql.session import SqlStore
from consent_mw.records.sql.session import Undo

_ADD = (
    "INSERT INTO counts (site, day, dimension, value, outcome, total) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (site, day, dimension, value, outcome) DO UPDATE SET total = counts.total + excluded.total"
)
_SPEND = "DELETE FROM counts WHERE site = ? AND day = ? AND dimension = ? AND value = ? AND outcome = ? AND total = ?"
_PUBLISH = "INSERT INTO figures (site, name, first_day, last_day, cells) VALUES (?, ?, ?, ?, ?)"


class SqlCounters(SqlStore):
    """The raw counters of a site and the figures made from them."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
        # Always in the same order, so that no two processes deadlock.
        rows = [(*row_of_count(self.site, count), counts[count]) for count in sorted_counts(counts) if counts[count]]
        if rows:
            with self._transaction(alone=False) as session:
                session.change_all(_ADD, rows)

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one."""
        query = "SELECT day, dimension, value, outcome, total FROM counts WHERE site = ? AND day < ?"
        with self._reading(slow=True) as session:
            return {
                Count(number_in(day), str(table), str(value), str(outcome)): number_in(total)
                for day, table, value, outcome, total in session.rows(query, self.site, before)
            }

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Store the figures and delete the spent raw counters, or return False with nothing changed."""
        overlap = "SELECT 1 FROM figures WHERE site = ? AND name = ? AND first_day <= ? AND last_day >= ? LIMIT 1"
        there = "SELECT 1 FROM counts WHERE site = ? AND day = ? AND dimension = ? AND value = ? AND outcome = ?"
        try:
            with self._transaction(alone=True) as session:
                for new in figures:
                    if session.rows(overlap, self.site, new.table, new.last, new.first):
                        raise Undo
                    session.change(_PUBLISH, self.site, new.table, new.first, new.last, cells_text(new.cells))
                rows = [
                    (*row_of_count(self.site, count), spent[count]) for count in sorted_counts(spent) if spent[count]
                ]
                if session.change_all(_SPEND, rows) != len(rows):
                    raise Undo
                # A counter that does not exist counts as 0.
                if any(session.rows(there, *row_of_count(self.site, count)) for count in spent if not spent[count]):
                    raise Undo
        except Undo:
            return False
        return True

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap these days, by table and first day."""
        query = (
            "SELECT name, first_day, last_day, cells FROM figures "
            "WHERE site = ? AND first_day <= ? AND last_day >= ? ORDER BY name, first_day"
        )
        names: dict[tuple[str, str], tuple[str, str]] = {}
        with self._reading() as session:
            return [
                Figures(str(name), number_in(first_day), number_in(last_day), cells_of(str(cells), names))
                for name, first_day, last_day, cells in session.rows(query, self.site, last, first)
            ]
