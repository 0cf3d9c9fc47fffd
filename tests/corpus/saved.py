"""
Saved pages of real sites, as the corpus has them and as a developer may have cut them.

``pages/`` of the corpus holds pages whose content may be redistributed. More
can be cut with its ``extract_pages.py`` into a folder outside this repository,
which ``CONSENT_MW_REAL_PAGES`` then names: they are their publishers' property
and are for measuring only.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes
from urllib.parse import urlsplit

import pytest

from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from tests.browser.harness.answers import fitting
from tests.browser.harness.corpus import find_corpus
from tests.browser.harness.proxy import Hit

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

ABSENT = "test corpus absent: set CONSENT_MW_CORPUS to the folder that holds traps/traps.json"
#: Where a page of unknown address is taken to be.
UNKNOWN_ADDRESS = "https://first-party.example/"


@dataclass(frozen=True, slots=True)
class SavedPage:
    """One page with where it was found."""

    id: str
    url: str
    body: bytes
    content_type: str
    #: Vendors whose names occur in it, as the corpus's index says.
    features: frozenset[str]

    def __str__(self) -> str:
        return self.id

    @property
    def host(self) -> str:
        """The page's own host."""
        return urlsplit(self.url).hostname or ""

    @property
    def address(self) -> Url:
        """The page's address as the matcher takes it."""
        return resolve(self.url, Url("https", "", "/"))

    @property
    def place(self) -> tuple[str, str]:
        """PATH_INFO and QUERY_STRING of a request for it (PEP 3333)."""
        parts = urlsplit(self.url)
        return unquote_to_bytes(parts.path or "/").decode("latin-1"), parts.query


class SavedSite:
    """
    A WSGI application that has one saved page at its own address, and small fitting answers elsewhere.

    Args:
        body: What to send in the place of the page's own bytes.
        chunk: Deliver it in pieces of this many bytes; 0 for one piece.
    """

    def __init__(self, page: SavedPage, body: bytes | None = None, *, chunk: int = 0) -> None:
        self._page = page
        self._body = page.body if body is None else body
        self._chunk = chunk

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        dest = environ.get("HTTP_SEC_FETCH_DEST", "")
        if (path, query) == self._page.place and dest in ("", "document"):
            start_response("200 OK", [("Content-Type", self._page.content_type), ("Cache-Control", "no-store")])
            size = self._chunk or len(self._body) or 1
            return [self._body[at : at + size] for at in range(0, len(self._body), size)]
        asked = Hit(
            environ["REQUEST_METHOD"],
            environ["wsgi.url_scheme"],
            self._page.host,
            0,
            path,
            0.0,
            dest=dest,
            wants_html="text/html" in environ.get("HTTP_ACCEPT", ""),
        )
        answer = fitting(asked)
        start_response("200 OK", [("Content-Type", answer.content_type), ("Cache-Control", "no-store")])
        return [answer.body]


def load(index: Path, folder: Path) -> list[SavedPage]:
    """Return the pages of ``index`` that ``folder`` has, smallest first."""
    with index.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (folder / f"{row['id']}.html").is_file()]
    pages = [
        SavedPage(
            id=row["id"],
            url=row["page_url"].partition("#")[0] or UNKNOWN_ADDRESS,
            body=(folder / f"{row['id']}.html").read_bytes(),
            # A page that declares its charset is left to do so, since servers often send none.
            content_type="text/html"
            if row["charset_declared"] or row["valid_utf8"] != "1"
            else "text/html; charset=utf-8",
            features=frozenset(row["features"].split()),
        )
        for row in rows
    ]
    return sorted(pages, key=lambda page: len(page.body))


def saved_pages() -> list[SavedPage]:
    """Return the free pages of the corpus, and those that ``CONSENT_MW_REAL_PAGES`` adds."""
    corpus = find_corpus()
    if corpus is None:
        return []
    pages = load(corpus / "pages" / "index.csv", corpus / "pages")
    if more := os.environ.get("CONSENT_MW_REAL_PAGES"):
        pages += load(corpus / "real_pages.csv", Path(more))
    return pages


def cases(rows: Iterable[tuple[str, tuple[object, ...]]], width: int = 1) -> list[ParameterSet]:
    """
    Return a test's parameters, or one row that is skipped where there is no corpus.

    Args:
        rows: The id of each case, and its values.
        width: How many values a row has.
    """
    found = [pytest.param(*values, id=id_) for id_, values in rows]
    return found or [pytest.param(*[None] * width, id="absent", marks=pytest.mark.skip(reason=ABSENT))]
