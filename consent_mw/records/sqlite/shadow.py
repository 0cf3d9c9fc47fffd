"""
The file of shadow mode (``mode = "report"``): the changes that would be made to the pages of a site.

It contains counts by page and change, and nothing about visitors. Several processes add to one file. The number of
pages and changes is limited; further ones are not added.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from consent_mw.records.sqlite.file import SqliteFile

__all__ = ["MOST_CHANGES", "ShadowChange", "ShadowFile", "ShadowPage"]

#: The most pages of a site, and the most changes in all of them.
MOST_PAGES, MOST_CHANGES = 1_000, 20_000

#: A known page or change is always counted; a new one is added only up to the limit.
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
    One change that would be made to a page.

    Args:
        page: Its path, with a star for each part that differs between pages of one kind.
        verb: ``hold`` (a tag or an address in it), ``drop`` (a header field) or ``refuse`` (the page).
        services: The ids of the services whose consent it waits for.
        what: The element and its address, or the field's name, or the reason.
    """

    page: str
    verb: str
    services: tuple[str, ...]
    what: str


@dataclass
class ShadowPage:
    """A page and its number of views; each change with its line in the page and the number of views that had it."""

    page: str
    views: int
    #: Whole days since 1970-01-01 UTC.
    since: int
    changes: list[tuple[ShadowChange, int, int]] = field(default_factory=list)


class ShadowFile(SqliteFile):
    """The shadow-mode counts of ``site`` in the file ``path``."""

    APPLICATION_ID = 0x636D7772  # "cmwr"
    MIGRATIONS = ("2026-11-29-shadow.sql",)
    SETTING = "report_file"
    CONTENT = "What would be held"

    def add(self, views: Mapping[str, int], changes: Mapping[ShadowChange, tuple[int, int]], day: int) -> None:
        """
        Add to the counts.

        Args:
            views: How often each page was seen.
            changes: For each change its line in the page, and the number of views that had it.
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
        Return the pages, the one with the most views first.

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
        """Delete the counts of the site."""
        with self._changing() as session:
            session.change("DELETE FROM shadow_change WHERE site = ?", self.site)
            session.change("DELETE FROM shadow_page WHERE site = ?", self.site)


def ids_of(pages: Iterable[ShadowPage]) -> list[str]:
    """Return the ids of the services in any change, each once."""
    return sorted({id_ for page in pages for change, _, _ in page.changes for id_ in change.services})


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
