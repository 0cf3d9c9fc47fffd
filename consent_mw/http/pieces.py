"""
Which HTML is no page of its own: what a browser saves, what it never shows, and what another page includes.

None of it gets a notice: nobody could answer it, it would stand there twice, or be counted for nobody. It is held like
any page.

A server in front may put a page together (server-side includes, Edge Side Includes). It asks for each part with the
headers of the visitor's own request, so that nothing in a part's request tells. Two things do: the application can say
``X-Cmw-Piece: 1`` in the part's response, and the page that includes the part says so in its markup, which is read as
it passes (:class:`Includes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from urllib.parse import urljoin
from urllib.parse import urlsplit

from consent_mw.html.scan import occurs

#: The response header by which an application says that its HTML is a part of a page; browsers do not get it.
PIECE_HEADER = "x-cmw-piece"

#: With a place to go to, a browser shows nothing of these (https://fetch.spec.whatwg.org/#redirect-status).
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: A browser asks for a password, tries again, or begins anew, and shows the body at most if that is given up.
_UNREAD = frozenset({407, 408, 412, 416, 421, 425, 426})
_NO = frozenset({"", "0", "false", "no"})

#: Includes of Apache and nginx, https://httpd.apache.org/docs/current/mod/mod_include.html, and ESI 1.0.
_INCLUDE = re.compile(
    rb"<!--#\s*include\s[^>]{0,500}?(?:virtual|file)\s*=\s*[\"']?([^\"'\s>]{1,500})[\"'\s>]"
    rb"|<(?-i:esi:include)\s[^>]{0,500}?src\s*=\s*[\"']([^\"']{1,500})[\"']",
    re.IGNORECASE,
)
#: How each begins, in the spelling that is written; and the most bytes of one that may be cut by a chunk's end.
_BEGINNINGS = (b"<!--#", b"<esi:")
_LONGEST_BEGINNING = max(map(len, _BEGINNINGS))
_TAIL = 1100


def header(headers: Sequence[tuple[str, str]], wanted: str) -> str:
    """Return the first header of this name (lower case), stripped; empty without one."""
    return next((value.strip() for name, value in headers if name.lower() == wanted), "")


def is_redirect(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether a browser goes elsewhere and shows nothing of the body."""
    if status not in _REDIRECTS:
        return False
    scheme, colon, _ = header(headers, "location").partition(":")
    # Where it cannot go, it might show the body.
    return bool(scheme) and (not colon or not scheme.isalpha() or scheme.lower() in ("http", "https"))


def is_piece(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether HTML with this head is shown to nobody as a page of its own."""
    if status in _UNREAD or (status == 401 and header(headers, "www-authenticate")) or is_redirect(status, headers):
        return True
    if header(headers, PIECE_HEADER).lower() not in _NO:
        return True
    # https://www.rfc-editor.org/rfc/rfc6266#section-4.2: what is not "inline" is to be saved.
    disposition = header(headers, "content-disposition").partition(";")[0].strip().lower()
    return disposition not in ("", "inline")


class Includes:
    """
    Reads a page for what a server in front is told to put into it, chunk by chunk.

    Args:
        path: Of the page, with which the addresses of its parts are resolved.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._tail = b""

    def read(self, chunk: bytes) -> Iterator[str]:
        """Yield the paths of parts that are named in the next bytes of the page."""
        data = self._tail + chunk
        if not occurs(data, _BEGINNINGS):
            # Only the beginning of one may be cut.
            cut = data.rfind(b"<", max(0, len(data) - _LONGEST_BEGINNING + 1))
            self._tail = data[cut:] if cut >= 0 else b""
            return
        end = 0
        for found in _INCLUDE.finditer(data):
            end = found.end()
            path = urlsplit(urljoin(self._path, (found[1] or found[2]).decode("utf-8", "replace"))).path
            if path:
                yield path
        # Only what may yet become an include is kept.
        begun = max(data.rfind(begin, end) for begin in (*_BEGINNINGS, b"<"))
        self._tail = data[begun:] if begun >= 0 and len(data) - begun < _TAIL and b">" not in data[begun:] else b""
