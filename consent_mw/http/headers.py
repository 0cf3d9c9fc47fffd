"""
Response heads: how to handle a response, and the headers of a page that may differ between visitors.

PASS sends the application's body unchanged, REWRITE holds what must be held in it, and REFUSE sends an error page
instead, because the body is HTML that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Container
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from consent_mw.html.labels import charset_parameter
from consent_mw.html.labels import text_codec_of
from consent_mw.html.urls import XML_TYPES
from consent_mw.http.pieces import PIECE_HEADER
from consent_mw.http.pieces import is_piece

Headers = list[tuple[str, str]]


class Handling(Enum):
    """How to handle a response's body."""

    # Members are looked up for every page. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    PASS = "pass"  # noqa: S105 -- no password
    REWRITE = "rewrite"
    REFUSE = "refuse"


class Verdict(NamedTuple):
    """How to handle one response, and what the rewriter needs to know."""

    handling: Handling
    charset: str = ""
    xml: bool = False
    sniff: bool = False
    #: The content codings to decode, in the order in which they were applied.
    codings: tuple[str, ...] = ()
    #: Only for REFUSE: what is wrong, and what the owner can change.
    problem: str = ""
    remedy: str = ""
    #: Whether it is a part of a page, whatever the request says.
    piece: bool = False
    #: Whether a browser will show it as a document of its own.
    document: bool = False


#: HTML that a script inserts into a page (https://turbo.hotwired.dev/handbook/streams).
_PIECES = frozenset({"text/vnd.turbo-stream.html"})
_HTML = frozenset({"text/html"}) | _PIECES
_XHTML = frozenset({"application/xhtml+xml"})
#: Other types that a browser shows as a document, in which XHTML and SVG elements fetch and run:
#: https://mimesniff.spec.whatwg.org/#xml-mime-type. If they are requested as pictures, feeds or data, they pass.
_XML = XML_TYPES
#: Types for which a browser sniffs the content, https://mimesniff.spec.whatwg.org/#interpreting-the-resource-metadata;
#: the longest is Firefox's own name for "no type" (UNKNOWN_CONTENT_TYPE in netwerk/mime/nsMimeTypes.h).
_UNKNOWN = frozenset({"", "unknown/unknown", "application/unknown", "application/x-unknown-content-type", "*/*"})
#: The type as the laxest browser reads it.
_ESSENCE = re.compile(r"\s*([^\s;(]*)")
#: A valid type by the standard (https://mimesniff.spec.whatwg.org/#parse-a-mime-type).
_VALID = re.compile(r"[\t\n\r ]*[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+[\t\n\r ]*(?:;|\Z)", re.ASCII)
#: A series of documents, each of which replaces the previous one. Firefox shows HTML in it.
_SEVERAL = "multipart/x-mixed-replace"

#: Headers that make the server in front of the application send a file instead of the body.
_HANDS_OVER = frozenset(["x-accel-redirect", "x-sendfile", "x-lighttpd-send-file", "x-reproxy-url"])
#: The headers by which a response is judged.
_JUDGED = frozenset(
    [
        *("content-type", "content-encoding", "content-range", "content-disposition", "location", "www-authenticate"),
        *(PIECE_HEADER, *_HANDS_OVER),
    ]
)
#: Verdicts on longer values are not cached.
_LONGEST_JUDGED = 512
#: Longer values of Content-Type are not cached.
_LONGEST_TYPE = 128

#: The most content codings of one response. Nobody needs more than one, and each costs memory.
_MOST_CODINGS = 2

#: Headers that describe the exact bytes of the application's body.
_OF_THE_BYTES = frozenset(
    [
        "content-length",
        "etag",
        "last-modified",
        "accept-ranges",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
    ]
)
#: Vendors' headers that let a shared cache keep a response, besides those whose names end in Cache-Control (RFC 9213,
#: section 2).
_FOR_SHARED_CACHES = frozenset(["expires", "surrogate-control", "edge-control", "x-accel-expires"])
_KEPT_DIRECTIVES = frozenset({"no-store", "no-transform", "private", "no-cache", "must-revalidate"})
#: Directives that let a browser show a page again without revalidation (RFC 5861, RFC 8246).
_OF_BROWSERS = frozenset({"immutable", "stale-while-revalidate"})
#: The request headers on which a page for one visitor depends.
_ON_THE_VISITOR = ("Cookie", "Sec-GPC", "Accept-Language")


def media_type(headers: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """
    Return the media type, lower case and without parameters, and its charset parameter.

    The last of several types counts, but HTML takes precedence: browsers differ, and a page must not slip through.
    An invalid type counts as none.
    """
    values = _content_types(headers)
    if len(values) == 1 and len(values[0]) <= _LONGEST_TYPE:
        return _kind_of(values)
    return _kind_of.__wrapped__(values)


def _content_types(headers: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple([value for name, value in headers if name.lower() == "content-type"])


@lru_cache(maxsize=256)
def _kind_of(values: tuple[str, ...]) -> tuple[str, str]:
    kind, charset = "", ""
    for essence, part in _types(values):
        if kind not in _HTML:
            kind = essence
            charset = charset_parameter(part)
    return kind, charset


def _types(values: Sequence[str]) -> list[tuple[str, str]]:
    """
    Return the essence of each media type that a browser may use, and the type as it is written.

    ``*/*`` is ignored if there is another type: https://fetch.spec.whatwg.org/#concept-header-extract-mime-type
    So is an invalid type, unless a lax browser shows it as a page.
    """
    parts = [part for value in values for part in value.split(",")]
    types = [(_ESSENCE.match(part).group(1).lower(), part) for part in parts]  # type: ignore[union-attr]
    types = [one for one in types if _VALID.match(one[1]) or one[0] in _HTML or _is_xml(one[0])]
    return [one for one in types if one[0] != "*/*"] or types


def _is_xml(kind: str) -> bool:
    return kind in _XHTML or kind in _XML or kind.endswith("+xml")


def _types_differ(headers: Sequence[tuple[str, str]], *, document: bool) -> bool:
    """
    Whether browsers would parse or decode the page differently, depending on which of its types they use.

    Fetch uses the last one (https://fetch.spec.whatwg.org/#concept-header-extract-mime-type), some browsers the first.
    """
    values = _content_types(headers)
    if len(values) == 1 and "," not in values[0]:
        return False
    types = _types(values)
    if len(types) < 2:
        return False
    pages = [one for one in types if one[0] in _HTML or (_is_xml(one[0]) and (document or one[0] in _XHTML))]
    charsets = {text_codec_of(charset) for charset in (charset_parameter(part) for _, part in pages) if charset}
    rules = {_is_xml(kind) for kind, _ in pages}
    # HTML among other types can safely be read as HTML, but there is no safe reading of XML.
    return len(charsets) > 1 or len(rules) > 1 or (True in rules and len(pages) < len(types))


def judge(
    status: int, headers: Sequence[tuple[str, str]], readable: Container[str] = (), *, document: bool = False
) -> Verdict:
    """
    Return how to handle a response.

    Args:
        readable: The content codings that can be decoded and encoded, in lower case.
        document: Whether a browser will show the response as a document of its own.
    """
    if status < 200 or status in (204, 205, 304):
        return Verdict(Handling.PASS)
    # The heads of a site's pages are nearly all alike, apart from lengths, dates, cookies and the like.
    judged = tuple([(lower, value) for name, value in headers if (lower := name.lower()) in _JUDGED])
    if isinstance(readable, frozenset) and sum([len(value) for _, value in judged]) <= _LONGEST_JUDGED:
        return _verdict_on(status, judged, readable, document)
    return _verdict_on.__wrapped__(status, judged, readable, document)


@lru_cache(maxsize=256)
def _verdict_on(status: int, headers: tuple[tuple[str, str], ...], readable: Container[str], document: bool) -> Verdict:
    """Return how to handle a response with these headers, of which there are only those that matter."""
    kind, charset = media_type(headers)
    differ = _types_differ(headers, document=document)
    drawn = document and kind not in _XHTML and _is_xml(kind)
    if document and kind == _SEVERAL:
        return Verdict(
            Handling.REFUSE,
            problem="The response is several documents in one, and what is in them cannot be told.",
            remedy="Send multipart/x-mixed-replace to pictures only.",
        )
    if not drawn and not differ and kind not in _HTML | _XHTML | _UNKNOWN:
        return Verdict(Handling.PASS)
    codings = [
        coding.strip().lower()
        for name, value in headers
        if name.lower() == "content-encoding"
        for coding in value.split(",")
    ]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if len(codings) > _MOST_CODINGS or not all(coding in readable for coding in codings):
        if kind in _UNKNOWN and not document:
            return Verdict(Handling.PASS)
        return Verdict(
            Handling.REFUSE,
            problem=f"The page is compressed ({', '.join(codings)}), and this installation cannot open that.",
            remedy="Install consent_mw[compress], or let compression happen outside consent_mw.",
        )
    if kind not in _UNKNOWN and any(name.lower() in _HANDS_OVER for name, _ in headers):
        return Verdict(
            Handling.REFUSE,
            problem="The server in front is told to send a file in the place of this page, which nothing would hold.",
            remedy="Let the application send HTML itself; X-Accel-Redirect and X-Sendfile are for other files.",
        )
    if differ:
        return Verdict(
            Handling.REFUSE,
            problem="The response names several types or charsets, and browsers do not agree which one counts.",
            remedy="Send one Content-Type.",
        )
    if status == 206 or any(name.lower() == "content-range" for name, _ in headers):
        if kind in _UNKNOWN and not document:
            return Verdict(Handling.PASS)
        return Verdict(
            Handling.REFUSE,
            problem="The response is a part of an HTML page, so what is in it cannot be told.",
            remedy="Do not answer Range requests for HTML pages.",
        )
    return Verdict(
        Handling.REWRITE,
        charset,
        drawn or kind in _XHTML,
        kind in _UNKNOWN,
        tuple(codings),
        # No notice goes into drawings and feeds.
        piece=drawn or kind in _PIECES or is_piece(status, headers),
        document=document,
    )


@lru_cache(maxsize=256)
def _cache_control(values: tuple[str, ...]) -> str:
    kept = [part.strip() for value in values for part in value.split(",")]
    kept = [part for part in kept if part.lower() in _KEPT_DIRECTIVES]
    for needed in ("private", "no-cache"):
        if needed not in map(str.lower, kept):
            kept.append(needed)
    return ", ".join(dict.fromkeys(kept))


@lru_cache(maxsize=256)
def _vary(values: tuple[str, ...], added: tuple[str, ...]) -> str:
    names = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if "*" in names:
        return "*"
    known = set(map(str.lower, names))
    return ", ".join([*names, *(name for name in added if name.lower() not in known)])


def for_one_visitor(headers: Sequence[tuple[str, str]], *, stored: bool = True) -> Headers:
    """
    Return the headers of a page that is rewritten for one visitor.

    Lengths, validators and digests of the application's bytes are removed. Shared caches must not keep the page (RFC
    9111 section 5.2.2.7), and the browser has to revalidate it.

    Args:
        stored: Whether the visitor's own browser may keep it.
    """
    kept, cache, vary = _parted(headers, body=True, shared=True)
    if not stored:
        cache = [*cache, "no-store"]
    return [*kept, ("Cache-Control", _cache_control(tuple(cache))), ("Vary", _vary(tuple(vary), _ON_THE_VISITOR))]


def for_everybody(headers: Sequence[tuple[str, str]], *, depends: Sequence[str] = ()) -> Headers:
    """
    Return the headers of a page that is the same for everybody; the application's caching headers stay.

    Args:
        depends: Request headers on which the page still depends.
    """
    kept, cache, vary = _parted(headers, body=True)
    # The date can stay: the entity tag changes with the insertions, and takes precedence over the date.
    kept += [(name, value) for name, value in headers if name.lower() == "last-modified"]
    kept += [("Cache-Control", value) for value in cache]
    names = _vary(tuple(vary), depends)
    return [*kept, ("Vary", names)] if names else kept


def for_class(headers: Sequence[tuple[str, str]], name: str, *, depends: Sequence[str] = ()) -> Headers:
    """
    Return the headers of a page that is the same for all visitors of a class.

    The application's lifetime applies to shared caches only (s-maxage, RFC 9111 section 5.2.2.10): a browser
    revalidates, since its visitor may move to another class. Vary names the cookie, so that a cache which does not know
    classes serves the page to nobody else. Pages that the application marks as private stay private.

    Args:
        name: The name of the class, which tells caches whom the page is for.
        depends: Request headers on which the page depends besides the choice.
    """
    if is_private(headers):
        return for_one_visitor(headers)
    kept, cache, vary = _parted(headers, body=True, shared=True)
    parts = [part.strip() for value in cache for part in value.split(",") if part.strip()]
    if parts or any(field.lower() == "expires" for field, _ in headers):
        kept.append(("Cache-Control", _for_shared_alone(parts)))
    return [*kept, ("Vary", _vary(tuple(vary), ("Cookie", "Sec-GPC", *depends))), ("X-Cmw-Class", name)]


def for_some(headers: Sequence[tuple[str, str]]) -> Headers:
    """Return the headers of a response of which only the head depends on the visitor."""
    kept, cache, vary = _parted(headers, shared=True)
    return [*kept, ("Cache-Control", _cache_control(tuple(cache))), ("Vary", _vary(tuple(vary), _ON_THE_VISITOR))]


def for_one_use(headers: Sequence[tuple[str, str]]) -> Headers:
    """
    Return the headers of a response that passes because a browser uses it, but does not show it as a document.

    Its address may also be visited, and then it has to be rewritten (a drawing). So no cache, not even the browser's
    own, may serve it for another destination (RFC 9111, section 4.1).
    """
    kept, cache, vary = _parted(headers)
    kept += [("Cache-Control", value) for value in cache]
    return [*kept, ("Vary", _vary(tuple(vary), ("Sec-Fetch-Dest",)))]


def is_private(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether the application forbids shared caches to keep the response (RFC 9111 sections 5.2.2.5 and 5.2.2.7)."""
    return any(
        part.partition("=")[0].strip().lower() in ("private", "no-store")
        for name, value in headers
        if name.lower() == "cache-control"
        for part in value.split(",")
    )


def of_other_bytes(headers: Sequence[tuple[str, str]]) -> Headers:
    """Return trailer fields without those that describe the application's bytes (RFC 9110, section 6.5)."""
    return [(name, value) for name, value in headers if name.lower() not in _OF_THE_BYTES]


def _parted(
    headers: Sequence[tuple[str, str]], *, body: bool = False, shared: bool = False
) -> tuple[Headers, list[str], list[str]]:
    """
    Return the headers, the values of Cache-Control, and those of Vary.

    Args:
        body: Whether to leave out headers that describe the application's bytes.
        shared: Whether to leave out headers that let shared caches keep the response.
    """
    kept: Headers = []
    cache: list[str] = []
    vary: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "cache-control":
            cache.append(value)
        elif lower == PIECE_HEADER and body:
            continue  # addressed to us
        elif lower == "vary":
            vary.append(value)
        elif lower == "trailer" and body:
            fields = [field.strip() for field in value.split(",") if field.strip().lower() not in _OF_THE_BYTES]
            kept += [(name, ", ".join(fields))] if any(fields) else []
        elif body and lower in _OF_THE_BYTES:
            continue
        elif not (shared and (lower in _FOR_SHARED_CACHES or lower.endswith("-cache-control"))):
            kept.append((name, value))
    return kept, cache, vary


def _for_shared_alone(parts: Sequence[str]) -> str:
    """Return Cache-Control that keeps the application's lifetime for shared caches and makes browsers revalidate."""
    kept: list[str] = []
    lifetime = shared = ""
    for part in parts:
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name == "max-age":
            lifetime = lifetime or value.strip().strip('"')
        elif name == "s-maxage":
            shared = shared or value.strip().strip('"')
        elif name not in _OF_BROWSERS:
            kept.append(part)
    shared = shared or lifetime
    kept.append("max-age=0")
    if shared.isascii() and shared.isdigit():
        kept.append(f"s-maxage={shared}")
    return ", ".join(kept)
