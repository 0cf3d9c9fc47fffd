"""
What would be done to the pages of a site that is only watched (``mode = "report"``), in a file of its own.

Counts by page and by what would be done; nothing in it is about a visitor. Several processes add to one file. How
many pages and lines it takes is bounded: what would be beyond is not added.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from consent_mw.records.sqlite.file import SqliteFile

__all__ = ["MOST_CHANGES", "ShadowChange", "ShadowFile", "ShadowPage"]

#: Pages of a site, and lines of all of them, that are kept.
MOST_PAGES, MOST_CHANGES = 1_000, 20_000

#: What is known is counted on; what is new is taken while there is room.
_ADD_PAGE = """
INSERT INTO shadow_page (site, page, views, since)
SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM shadow_page WHERE site = ?1 AND page = ?2)
   OR (SELECT count(*) FROM shadow_page WHERE site = ?1) < ?5
ON CONFLICT (site, page) DO UPDATE SET views = views + excluded.views
"""
_ADD_CHANGE = """
INSERT INTO shadow_change (site, page, verb, services, what, line, views)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE EXISTS (SELECT 1 FROM shadow_change
              WHERE site = ?1 AND page = ?2 AND verb = ?3 AND services = ?4 AND what = ?5)
   OR (SELECT count(*) FROM shadow_change WHERE site = ?1) < ?8
ON CONFLICT (site, page, verb, services, what) DO UPDATE SET views = views + excluded.views, line = excluded.line
"""


@dataclass(frozen=True, slots=True)
class ShadowChange:
    """
    One thing that would be done to a page.

    Args:
        page: Its path, with a star for what tells pages of one kind apart.
        verb: ``hold`` (a tag or an address in it), ``drop`` (a field of the head) or ``refuse`` (the page).
        services: The ids of the services that it waits for.
        what: The element and where it leads, or the field's name, or the reason.
    """

    page: str
    verb: str
    services: tuple[str, ...]
    what: str


@dataclass
class ShadowPage:
    """A page, how often it was seen, and what would be done to it: with a line of it, and in how many views."""

    page: str
    views: int
    #: Whole days since 1970-01-01 UTC.
    since: int
    changes: list[tuple[ShadowChange, int, int]] = field(default_factory=list)


class ShadowFile(SqliteFile):
    """What is kept for ``site`` in the file ``path``."""

    APPLICATION_ID = 0x636D7772  # "cmwr"
    MIGRATIONS = ("2026-11-29-shadow.sql",)
    SETTING = "report_file"
    CONTENT = "What would be held"

    def add(self, views: Mapping[str, int], changes: Mapping[ShadowChange, tuple[int, int]], day: int) -> None:
        """
        Add what was seen.

        Args:
            views: How often each page was seen.
            changes: For each change its line in the page, and in how many views it was seen.
            day: Whole days since 1970-01-01 UTC.

        Raises:
            RecordsError: The file cannot be written.
        """
        pages = [(self.site, name, count, day, MOST_PAGES) for name, count in views.items()]
        lines = [
            (self.site, one.page, one.verb, ",".join(one.services), one.what, line, count, MOST_CHANGES)
            for one, (line, count) in changes.items()
        ]
        with self._changing() as session:
            session.change_all(_ADD_PAGE, pages)
            session.change_all(_ADD_CHANGE, lines)

    def pages(self) -> list[ShadowPage]:
        """
        Return the pages, the most seen first.

        Raises:
            RecordsError: The file cannot be read.
        """
        with self._reading() as session:
            pages = session.rows("SELECT page, views, since FROM shadow_page WHERE site = ?", self.site)
            changes = session.rows(
                "SELECT page, verb, services, what, line, views FROM shadow_change WHERE site = ?", self.site
            )
        found = {str(page): ShadowPage(str(page), _number(views), _number(since)) for page, views, since in pages}
        for page, verb, services, what, line, views in changes:
            if str(page) in found:
                ids = tuple(filter(None, str(services).split(",")))
                change = ShadowChange(str(page), str(verb), ids, str(what))
                found[str(page)].changes.append((change, _number(line), _number(views)))
        for one in found.values():
            one.changes.sort(key=lambda entry: (entry[1], entry[0].what))
        return sorted(found.values(), key=lambda one: (-one.views, one.page))

    def forget(self) -> None:
        """Begin anew."""
        with self._changing() as session:
            session.change("DELETE FROM shadow_change WHERE site = ?", self.site)
            session.change("DELETE FROM shadow_page WHERE site = ?", self.site)


def ids_of(pages: Iterable[ShadowPage]) -> list[str]:
    """Return the ids of the services that anything waits for, each once."""
    return sorted({id_ for page in pages for change, _, _ in page.changes for id_ in change.services})


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
