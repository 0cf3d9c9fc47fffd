"""
What a request is for, as its headers tell: a whole page, a frame in one, a fragment, or nothing that anybody reads.

Fetch Metadata (https://w3c.github.io/webappsec-fetch-metadata/) tells it exactly; older browsers and libraries leave
other signs.
"""

from __future__ import annotations

from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.http.request import FieldNames
from consent_mw.http.request import RequestHead

#: What a browser says it will do with the response when it is to be a page, or to make one (Fetch Metadata).
_DOCUMENTS = frozenset({"document", "iframe", "frame", "embed", "object", "xslt"})
#: Libraries that put fragments into a page say so.
_FRAGMENT_MARKS = FieldNames(
    ["x-requested-with", "hx-request", "turbo-frame", "x-pjax", "x-up-version", "x-inertia"],
)
#: With these an app would answer from the visitor's cache, or with a part, or in a form that cannot be read.
CLOSED = ("range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since")


def wants_page(head: RequestHead) -> bool:
    """Whether the response may be a page that a browser shows."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return accepts_html(head)


def wants_banner(head: RequestHead) -> bool:
    """Whether the response is to be the visitor's whole page: not a frame in it, and not a fragment for it."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination == "document"
    # Whoever says nothing of a page (a script's fetch in an old browser, a probe, a program) is shown none.
    return accepts_html(head) and not (head.carries(_FRAGMENT_MARKS) and any(map(head.header, _FRAGMENT_MARKS.fields)))


def accepts_html(head: RequestHead) -> bool:
    """Whether the request says that HTML is wanted, and not just anything."""
    accepted = (head.header("accept") or "").lower()
    return "text/html" in accepted or "application/xhtml+xml" in accepted


def is_document(head: RequestHead) -> bool:
    """Whether scripts of the response run in a document of its own: a page, or a frame in one, and no fragment."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return wants_banner(head)


def closed_headers(head: RequestHead) -> tuple[str, ...]:
    """Return the request headers (lower case) that the app must not see: ways around the rewriter."""
    if not wants_page(head):
        return ()
    return tuple(name for name in CLOSED if head.header(name) is not None)


def page_url(head: RequestHead) -> Url:
    """Return where the page is, as its relative URLs see it."""
    host = head.host.rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return Url(head.scheme, ascii_host(name), head.path or "/")
