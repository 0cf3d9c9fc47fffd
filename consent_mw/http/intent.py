"""
What a request is for, judged by its headers: a whole page, a frame, a fragment, or nothing that a person reads.

Fetch Metadata (https://w3c.github.io/webappsec-fetch-metadata/) says so exactly. For older browsers and for libraries
other headers are a hint.
"""

from __future__ import annotations

import re
from functools import lru_cache

from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.http.request import FieldNames
from consent_mw.http.request import RequestHead

#: Longer Host headers are parsed each time.
_LONGEST_HOST = 255
#: Values of Sec-Fetch-Dest for responses that become a document.
_DOCUMENTS = frozenset({"document", "iframe", "frame", "fencedframe", "embed", "object", "xslt"})
#: Headers by which libraries ask for a fragment to insert into a page.
_FRAGMENT_MARKS = FieldNames(
    [
        *("x-requested-with", "hx-request", "turbo-frame", "x-turbo-request-id", "x-pjax", "x-up-version", "x-inertia"),
        *("x-livewire", "x-alpine-request", "x-alpine-target", "datastar-request", "x-ic-request", "x-barba"),
        *("x-splade", "x-swup", "x-fragment"),
    ],
)
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_WEIGHTLESS = re.compile(r";[ \t]*q=0(?:\.0*)?[ \t]*(?:[;,]|\Z)")
#: Request headers that are hidden from the application: it could answer them with a part of a page, or with a 304 for
#: a page that was never rewritten.
CLOSED = ("range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since")


def wants_page(head: RequestHead) -> bool:
    """Whether the response may be a page that a browser shows."""
    destination = head.first.get("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return accepts_html(head)


def wants_banner(head: RequestHead) -> bool:
    """Whether the response will be the visitor's whole page: neither a frame nor a fragment."""
    destination = head.first.get("sec-fetch-dest")
    if destination is not None:
        return destination == "document"
    # A client that does not ask for a page (a script in an old browser, a probe, a program) gets no banner.
    return accepts_html(head) and not (head.carries(_FRAGMENT_MARKS) and any(map(head.header, _FRAGMENT_MARKS.fields)))


def accepts_html(head: RequestHead) -> bool:
    """
    Whether the request asks for HTML explicitly, not only by a wildcard.

    A weight of zero means that HTML is not acceptable (https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2).
    """
    accepted = (head.header("accept") or "").lower()
    wanted = any(map(accepted.__contains__, _HTML_TYPES))
    if not wanted or not _WEIGHTLESS.search(accepted):
        return wanted
    ranges = accepted.split(",")
    return any(any(map(one.__contains__, _HTML_TYPES)) and not _WEIGHTLESS.search(one) for one in ranges)


def is_document(head: RequestHead) -> bool:
    """Whether the response becomes a document of its own, whose scripts run: a page or a frame, not a fragment."""
    destination = head.first.get("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return wants_banner(head)


def follows_redirects(head: RequestHead) -> bool:
    """
    Return whether a browser follows a redirect of the response although nobody chose to visit what it leads to.

    That is the case for everything that is a part of a page, and for pages that are fetched before they are visited.
    """
    destination = head.header("sec-fetch-dest")
    if destination is None or head.header("sec-fetch-user") is not None:
        return False
    return destination != "document" or "prefetch" in (head.header("sec-purpose") or "").lower()


def closed_headers(head: RequestHead) -> tuple[str, ...]:
    """Return the request headers (lower case) that the application must not see: they would bypass the rewriter."""
    if not wants_page(head):
        return ()
    return tuple(name for name in CLOSED if head.header(name) is not None)


def page_url(head: RequestHead, prefix: str) -> Url:
    """
    Return the page's URL, against which its relative URLs are resolved.

    Args:
        prefix: What precedes the path of the request in the browser's address bar: where the application is mounted.
    """
    host = (_url_host if len(head.host) <= _LONGEST_HOST else _url_host.__wrapped__)(head.host)
    return Url(head.scheme, host, prefix + head.path or "/")


@lru_cache(maxsize=128)
def _url_host(authority: str) -> str:
    """Return the host in a Host header as URLs have it; long ones are not for the cache."""
    host = authority.rpartition("@")[2]
    return ascii_host(host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0])
