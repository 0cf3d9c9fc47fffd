"""
Which HTML is not a page of its own: downloads, bodies that browsers never show, and parts that other pages include.

None of it gets a notice: nobody could answer it, it would appear twice, or it would be counted although nobody saw it.
Trackers in it are held as in any page.

A server in front may assemble pages (server-side includes, Edge Side Includes). It requests each part with the headers
of the visitor's request, so the request does not show that a part is wanted. Two other things do: the application can
send ``X-Cmw-Piece: 1`` with the part, and the page that includes it names it in its markup, which :class:`Includes`
reads on the way out.

A body of nothing but white space and comments is no page, either: some applications answer with it when there is
nothing to show in a place. It is one if a server in front replaces a comment by something (:class:`Beginning`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from urllib.parse import urljoin
from urllib.parse import urlsplit

from consent_mw.html.scan import occurs

#: The response header that marks HTML as a part of a page; it is removed before the response is sent.
PIECE_HEADER = "x-cmw-piece"

#: With a valid Location, browsers do not show the body (https://fetch.spec.whatwg.org/#redirect-status).
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Statuses at which browsers ask for a password or retry, and show the body only if the visitor gives up.
_UNREAD = frozenset({407, 408, 412, 416, 421, 425, 426})
_NO = frozenset({"", "0", "false", "no"})

#: Includes of Apache and nginx, https://httpd.apache.org/docs/current/mod/mod_include.html, and ESI 1.0. None contains
#: another tag, so it begins at the last "<".
_INCLUDE = re.compile(
    rb"<!--#\s*include\s[^<>]{0,500}?(?:virtual|file)\s*=\s*[\"']?([^\"'\s<>]{1,500})[\"'\s>]"
    rb"|<(?-i:esi:include)\s[^<>]{0,500}?src\s*=\s*[\"']([^\"'<>]{1,500})[\"']",
    re.IGNORECASE,
)
#: How these directives start, and the most bytes of one that are kept if a chunk ends inside it.
_BEGINNINGS = (b"<!--#", b"<esi:")
_LONGEST_BEGINNING = max(map(len, _BEGINNINGS))
_TAIL = 1100
_SPACE = re.compile(rb"[ \t\n\r\f\v]*+")
#: The byte order mark of UTF-8, which is none within a page.
_MARK = b"\xef\xbb\xbf"
_OPENS = b"<!--"
#: Comments that a server replaces by something: Apache and nginx by what the directive writes, ESI by what is inside.
#: Other directives (``set``, ``config``, ``if``) write nothing by themselves.
_REPLACED = re.compile(rb"<!--(?:#\s{0,8}(?:include|exec|perl|echo|printenv|fsize|flastmod)\b|esi\b)", re.IGNORECASE)
_LONGEST_REPLACED = 24
#: The end of a comment, looked for from the dashes that open it on (https://html.spec.whatwg.org/#comment-start-state).
_COMMENT_END = re.compile(rb"--!?>")


def header(headers: Sequence[tuple[str, str]], wanted: str) -> str:
    """Return the first header called ``wanted`` (lower case), stripped; empty if there is none."""
    return next((value.strip() for name, value in headers if name.lower() == wanted), "")


def is_redirect(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether a browser follows the redirect and does not show the body."""
    if status not in _REDIRECTS:
        return False
    scheme, colon, _ = header(headers, "location").partition(":")
    # If a browser cannot follow the Location, it might show the body.
    return bool(scheme) and (not colon or not scheme.isalpha() or scheme.lower() in ("http", "https"))


def is_piece(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether HTML with this head is never shown as a page of its own."""
    if status in _UNREAD or (status == 401 and header(headers, "www-authenticate")) or is_redirect(status, headers):
        return True
    if header(headers, PIECE_HEADER).lower() not in _NO:
        return True
    # https://www.rfc-editor.org/rfc/rfc6266#section-4.2: anything but "inline" is a download.
    disposition = header(headers, "content-disposition").partition(";")[0].strip().lower()
    return disposition not in ("", "inline")


class Includes:
    """
    Finds the include directives in a page, chunk by chunk.

    Args:
        path: The page's path, against which the addresses of its parts are resolved.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._tail = b""

    def read(self, chunk: bytes) -> Iterator[str]:
        """Yield the paths of the parts that the next bytes of the page include."""
        data = self._tail + chunk
        if not occurs(data, _BEGINNINGS):
            # Keep a directive whose first bytes the end of the chunk may have cut off.
            cut = data.rfind(b"<", max(0, len(data) - _LONGEST_BEGINNING + 1))
            self._tail = data[cut:] if cut >= 0 else b""
            return
        end = 0
        for found in _INCLUDE.finditer(data):
            end = found.end()
            path = urlsplit(urljoin(self._path, (found[1] or found[2]).decode("utf-8", "replace"))).path
            if path:
                yield path
        # Keep only what may still become a directive.
        begun = data.rfind(b"<", end)
        self._tail = data[begun:] if begun >= 0 and len(data) - begun < _TAIL and b">" not in data[begun:] else b""


class Beginning:
    """Finds where a body begins, after white space and comments, chunk by chunk."""

    def __init__(self) -> None:
        #: Bytes that may be part of the beginning.
        self._kept = b""
        self._in_comment = False
        self._past_mark = False

    def read(self, chunk: bytes) -> bytes:
        """Return the bytes at hand from where the body begins; empty if nothing but white space and comments came."""
        data, at = self._kept + chunk, 0
        if not self._past_mark:
            if len(data) < len(_MARK) and _MARK.startswith(data):
                self._kept = data
                return b""
            self._past_mark = True
            at = len(_MARK) if data.startswith(_MARK) else 0
        while True:
            if self._in_comment:
                end = _COMMENT_END.search(data, at)
                if end is None:
                    self._kept = data[max(at, len(data) - 3) :]
                    return b""
                self._in_comment, at = False, end.end()
            at = _SPACE.match(data, at).end()  # type: ignore[union-attr]
            rest = data[at : at + _LONGEST_REPLACED]
            if not rest.startswith(_OPENS) and not _OPENS.startswith(rest):
                return data[at:]
            if _REPLACED.match(rest):
                return data[at:]
            if len(rest) < _LONGEST_REPLACED and b">" not in rest:
                self._kept = data[at:]
                return b""
            # "<!-->" and "<!--->" are whole comments.
            self._in_comment, at = True, at + 2
