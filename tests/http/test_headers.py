"""
Response heads: what becomes of a response, and its headers once the page in it is one visitor's.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.headers import Handling
from consent_mw.http.headers import for_class
from consent_mw.http.headers import for_everybody
from consent_mw.http.headers import for_one_visitor
from consent_mw.http.headers import for_some
from consent_mw.http.headers import is_private
from consent_mw.http.headers import judge
from consent_mw.http.headers import media_type
from consent_mw.http.headers import of_other_bytes
from consent_mw.http.held_fields import without_held
from consent_mw.http.plain_responses import passes


def typed(*values: str) -> list[tuple[str, str]]:
    """Return headers with these content types."""
    return [("Content-Type", value) for value in values]


TYPES = {
    ("text/html",): ("text/html", ""),
    ("Text/HTML ; Charset=UTF-8",): ("text/html", "UTF-8"),
    ('text/html; charset="utf-8"',): ("text/html", "utf-8"),
    ("text/html; a=b; charset=x; charset=y",): ("text/html", "x"),
    ("text/html;charset=",): ("text/html", ""),
    ('text/html; charset="utf-16le',): ("text/html", "utf-16le"),
    ('text/html; charset="utf-16le"x; a=b',): ("text/html", "utf-16le"),
    ('text/html; charset="utf\\-16le"',): ("text/html", "utf-16le"),
    ('text/html; a="; charset=x"; charset=y',): ("text/html", "y"),
    ("text/html; a; CHARSET=y ",): ("text/html", "y"),
    ("text/html (a comment)",): ("text/html", ""),
    ("text/html, text/plain",): ("text/html", ""),
    ("text/plain, text/html; charset=x",): ("text/html", "x"),
    ("text/plain", "text/html"): ("text/html", ""),
    ("text/html", "text/plain"): ("text/html", ""),
    ("image/png", "text/css"): ("text/css", ""),
    ("html",): ("", ""),
    ("",): ("", ""),
    (): ("", ""),
}


@pytest.mark.parametrize(("values", "expected"), TYPES.items(), ids=map(repr, TYPES))
def test_the_media_type(values: tuple[str, ...], expected: tuple[str, str]) -> None:
    """Type and charset are read as a browser might; where browsers differ, a page is a page."""
    assert media_type(typed(*values)) == expected


_VALUES = st.sampled_from(
    ["application/json", "text/html", "text/css; charset=utf-8", "image/svg+xml", "application/xhtml+xml"]
    + ["text/plain, text/html", "", "html", "application/rss+xml", "*/*", "text/html" + " " * 200, "text/xml", "</a>"]
)
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "content-type", "Link", "Set-Cookie", "X-Other", "CONTENT-ENCODING"]), _VALUES
    ),
    max_size=4,
)


@given(status=st.sampled_from([100, 200, 204, 206, 301, 304, 404, 500]), headers=_HEADERS)
def test_what_plainly_passes_would_pass_the_long_way(status: int, headers: list[tuple[str, str]]) -> None:
    """The short way never lets through what a closer look would rewrite, refuse, or take a header from."""
    if passes(status, headers):
        for document in (False, True):
            assert judge(status, headers, (), document=document).handling is Handling.PASS
        assert without_held(headers, lambda url: True, lambda url: True, lambda name: True) == headers


def test_json_and_files_plainly_pass() -> None:
    """Otherwise every one of them would cost a closer look."""
    for kind in ("application/json", "text/css; charset=utf-8", "image/png", "font/woff2", "text/javascript"):
        assert passes(200, typed(kind))
    assert passes(304, [("ETag", '"a"')])
    assert not passes(200, [*typed("application/json"), ("Set-Cookie", "a=b")])
    assert not passes(200, [])


VERDICTS = {
    "page": (200, typed("text/html; charset=x"), (Handling.REWRITE, "x", False, False)),
    "error page": (500, typed("text/html"), (Handling.REWRITE, "", False, False)),
    "redirect with a page": (302, typed("text/html"), (Handling.REWRITE, "", False, False)),
    "XHTML": (200, typed("application/xhtml+xml"), (Handling.REWRITE, "", True, False)),
    "no type": (200, [], (Handling.REWRITE, "", False, True)),
    "unknown type": (200, typed("*/*"), (Handling.REWRITE, "", False, True)),
    "no page": (200, typed("application/json"), (Handling.PASS, "", False, False)),
    "image": (206, [*typed("image/png"), ("Content-Encoding", "gzip")], (Handling.PASS, "", False, False)),
    "continue": (103, typed("text/html"), (Handling.PASS, "", False, False)),
    "no content": (204, typed("text/html"), (Handling.PASS, "", False, False)),
    "reset": (205, typed("text/html"), (Handling.PASS, "", False, False)),
    "not modified": (304, typed("text/html"), (Handling.PASS, "", False, False)),
    "identity": (200, [*typed("text/html"), ("Content-Encoding", " Identity ")], (Handling.REWRITE, "", False, False)),
    "compressed": (200, [*typed("text/html"), ("content-encoding", "GZIP")], (Handling.REWRITE, "", False, False)),
    "unreadable": (200, [*typed("text/html"), ("content-encoding", "br")], (Handling.REFUSE, "", False, False)),
    "twice": (200, [*typed("text/html"), ("Content-Encoding", "gzip, br")], (Handling.REFUSE, "", False, False)),
    "often": (200, [*typed("text/html"), ("Content-Encoding", "gzip,gzip,gzip")], (Handling.REFUSE, "", False, False)),
    "part": (206, typed("text/html"), (Handling.REFUSE, "", False, False)),
    "part by its range": (200, [*typed("text/html"), ("Content-Range", "x")], (Handling.REFUSE, "", False, False)),
    "part without a type": (206, [], (Handling.PASS, "", False, False)),
    "compressed without a type": (200, [("Content-Encoding", "gzip")], (Handling.REWRITE, "", False, True)),
    "unreadable without a type": (200, [("Content-Encoding", "br")], (Handling.PASS, "", False, False)),
}


@pytest.mark.parametrize(("status", "headers", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_what_becomes_of_a_response(
    status: int, headers: list[tuple[str, str]], expected: tuple[Handling, str, bool, bool]
) -> None:
    """Pages are rewritten, what is none passes, and a page that cannot be read is refused with a remedy."""
    verdict = judge(status, headers, {"gzip"})
    assert verdict[:4] == expected
    assert bool(verdict.problem and verdict.remedy) is (verdict.handling is Handling.REFUSE)


def test_headers_about_the_app_s_own_bytes_go() -> None:
    """Lengths, validators, digests and permissions of shared caches do not fit the rewritten page."""
    bytes_own = "Content-Length ETag Last-Modified Accept-Ranges Content-MD5 Digest Content-Digest Repr-Digest"
    shared = (
        "Expires CDN-Cache-Control Surrogate-Control Cloudflare-CDN-Cache-Control Vercel-CDN-Cache-Control "
        "X-Accel-Expires Edge-Control X-LiteSpeed-Cache-Control"
    )
    gone = f"{bytes_own} {shared}".split()
    headers = [(name, "x") for name in gone] + [("X-Own", "1"), ("Set-Cookie", "a=b"), ("set-cookie", "c=d")]
    assert for_one_visitor(headers) == [
        ("X-Own", "1"),
        ("Set-Cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Cookie, Sec-GPC, Accept-Language"),
    ]


def test_who_is_told_to_keep_nothing_keeps_nothing() -> None:
    """Where not even the browser may keep a page, the headers say so."""
    assert for_one_visitor([("Cache-Control", "max-age=9")], stored=False)[0] == (
        "Cache-Control",
        "no-store, private, no-cache",
    )


def test_a_page_for_everybody_is_kept_as_the_app_said() -> None:
    """Only what describes the app's own bytes goes; caches get their words, and nothing depends on a cookie."""
    told = [
        ("Cache-Control", "public, max-age=600"),
        ("Expires", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Surrogate-Control", "max-age=60"),
        ("CDN-Cache-Control", "max-age=60"),
        ("X-Accel-Expires", "60"),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Vary", "Accept-Encoding"),
    ]
    kept = for_everybody([*told, ("ETag", '"1"'), ("Content-Length", "3")])
    assert sorted(kept) == sorted(told)
    assert for_everybody([("X-Own", "1")]) == [("X-Own", "1")]


def test_a_page_for_everybody_in_several_languages_says_so() -> None:
    """The banner's language is the visitor's, and a cache has to know."""
    assert for_everybody([("vary", "Accept-Encoding")], depends=("Accept-Language",)) == [
        ("Vary", "Accept-Encoding, Accept-Language")
    ]


FOR_A_CLASS = {
    "public, max-age=600": "public, max-age=0, s-maxage=600",
    'max-age="60", immutable, stale-while-revalidate=9': "max-age=0, s-maxage=60",
    "max-age=60, s-maxage=5, stale-if-error=9": "stale-if-error=9, max-age=0, s-maxage=5",
    "no-cache": "no-cache, max-age=0",
    "max-age=soon": "max-age=0",
    "private, max-age=60": "private, no-cache",
    "NO-STORE": "NO-STORE, private, no-cache",
}


@pytest.mark.parametrize(("value", "expected"), FOR_A_CLASS.items())
def test_a_page_for_a_class_is_kept_by_shared_caches_alone(value: str, expected: str) -> None:
    """A browser asks again each time, since its visitor may choose anew; what the app keeps private stays so."""
    assert ("Cache-Control", expected) in for_class([("cache-control", value)], "none")


def test_a_page_for_a_class_is_no_page_for_a_cache_that_does_not_know_classes() -> None:
    """Vary names the cookie; words for other caches, and dates from which a browser would guess, go."""
    gone = [("Expires", "x"), ("Last-Modified", "x"), ("CDN-Cache-Control", "x"), ("ETag", "x")]
    assert for_class([*gone, ("X-Own", "1")], "reject-1", depends=("Accept-Language",)) == [
        ("X-Own", "1"),
        ("Cache-Control", "max-age=0"),
        ("Vary", "Cookie, Sec-GPC, Accept-Language"),
        ("X-Cmw-Class", "reject-1"),
    ]
    assert for_class([], "none") == [("Vary", "Cookie, Sec-GPC"), ("X-Cmw-Class", "none")]


def test_a_head_for_some_leaves_the_body_s_own() -> None:
    """Where only the head depends on the choice, lengths and validators fit, and shared caches keep nothing."""
    own = [("ETag", '"1"'), ("Content-Length", "3"), ("Last-Modified", "x")]
    assert for_some([*own, ("Expires", "x"), ("Cache-Control", "public, max-age=9")]) == [
        *own,
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Cookie, Sec-GPC, Accept-Language"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("private", True), ('public, Private="x"', True), ("no-store", True), ("no-cache", False), ("", False)],
)
def test_what_an_app_keeps_from_shared_caches(value: str, expected: bool) -> None:
    """Two directives do: private, also for some fields alone, and no-store."""
    assert is_private([("Cache-Control", value)]) is expected


def test_digests_behind_the_body_go_with_those_before_it() -> None:
    """A trailer may describe the app's own bytes as a header may, and is not announced then."""
    fields = [("Repr-Digest", "x"), ("Server-Timing", "app;dur=1")]
    assert of_other_bytes(fields) == fields[1:]
    page = for_everybody([("Trailer", "Repr-Digest, Server-Timing")])
    assert page == [("Trailer", "Server-Timing")]
    assert for_one_visitor([("Trailer", "content-digest")])[0][0] != "Trailer"


@pytest.mark.parametrize("name", ["X-Accel-Redirect", "X-Sendfile"])
def test_a_page_that_the_server_in_front_would_send_is_refused(name: str) -> None:
    """Nothing would be held in it; other files go that way."""
    verdicts = [judge(200, [*typed(kind), (name, "/page")]) for kind in ("text/html", "application/pdf")]
    assert [verdict.handling for verdict in verdicts] == [Handling.REFUSE, Handling.PASS]
    assert "X-Accel-Redirect" in verdicts[0].remedy


CACHING = {
    "public, max-age=600": "private, no-cache",
    "no-store": "no-store, private, no-cache",
    "NO-CACHE, Private": "NO-CACHE, Private",
    "no-transform, must-revalidate, s-maxage=1": "no-transform, must-revalidate, private, no-cache",
    "": "private, no-cache",
}


@pytest.mark.parametrize(("value", "expected"), CACHING.items())
def test_no_shared_cache_keeps_a_rewritten_page(value: str, expected: str) -> None:
    """What the app says about caching is kept only where it is as strict."""
    assert ("Cache-Control", expected) in for_one_visitor([("cache-control", value)])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "Cookie, Sec-GPC, Accept-Language"),
        (["Accept-Encoding, cookie"], "Accept-Encoding, cookie, Sec-GPC, Accept-Language"),
        (["A", "B"], "A, B, Cookie, Sec-GPC, Accept-Language"),
        (["*"], "*"),
    ],
)
def test_what_the_page_depends_on_is_said(values: list[str], expected: str) -> None:
    """Vary names what the decision and the banner are made from."""
    assert for_one_visitor([("Vary", value) for value in values])[-1] == ("Vary", expected)


def kept(*headers: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the headers that are left where t.example and the cookie _t are held."""
    return without_held(headers, lambda url: "t.example" in url, lambda value: "t.example" in value, "_t".__eq__)


LINKS = {
    "<https://t.example/1>; rel=preload": None,
    '<https://t.example/1>; REL = "x Preconnect"': None,
    "<https://t.example/1>; rel=canonical": "<https://t.example/1>; rel=canonical",
    "<https://t.example/1>": "<https://t.example/1>",
    "</a>; rel=preload, <https://t.example/1>; rel=preload; as=image": "</a>; rel=preload",
    '<https://t.example/1>; title="a,b>"; rel=preload, </a>; rel=next': "</a>; rel=next",
    '<https://t.example/1>; title="; rel=x"; rel=preload': None,
    "<https://t.example/1>; rel=preload; rel=canonical": None,
    '</a>; rel=preload; as=image; imagesrcset="/a 1x, https://t.example/1 2x"': None,
    "not a link": "not a link",
    '</a>; rel=icon, </b>; x="': '</a>; rel=icon, </b>; x="',
    '</b>; x="\\", <https://t.example/a>; rel=preload': None,
    '</a>; rel=icon, </b>; x=a", <https://t.example/1>; rel=preload; y="': "</a>; rel=icon",
    '</b>; x=a"; rel=y"; title=z': '</b>; x=a"; rel=y"; title=z',
    "none, </a>; rel=icon,, </b>; rel=icon": "none, </a>; rel=icon,, </b>; rel=icon",
}


@pytest.mark.parametrize(("value", "expected"), LINKS.items(), ids=LINKS)
def test_links_that_fetch_from_what_is_held_go(value: str, expected: str | None) -> None:
    """Of a Link header only what fetches nothing held is left."""
    assert kept(("Link", value)) == ([] if expected is None else [("Link", expected)])


def test_other_headers_that_lead_to_what_is_held_go() -> None:
    """Refreshes, cookies and headers that name addresses go where they lead to something held."""
    own = [
        ("Refresh", "5; url=/a"),
        ("Set-Cookie", "own=1"),
        ("Speculation-Rules", '"/rules.json"'),
        ("Reporting-Endpoints", 'a="/reports"'),
    ]
    held = [
        ("Refresh", "0; url=https://t.example/"),
        ("Set-Cookie", "_t=1; Path=/"),
        ("Speculation-Rules", '"https://t.example/rules.json"'),
        ("Report-To", '{"group":"a","endpoints":[{"url":"https://t.example/"}]}'),
        ("Reporting-Endpoints", 'a="https://t.example/"'),
    ]
    assert kept(*own, *held) == own


_TWO = '{"group":"a","endpoints":[{"url":"https://t.example/"}]}, {"group":"b","endpoints":[{"url":"/own"}]}'
REPORTS = {
    # https://www.w3.org/TR/CSP3/#directive-report-uri
    "a policy": (
        "Content-Security-Policy",
        "default-src 'self'; Report-URI https://t.example/a",
        "default-src 'self';",
    ),
    "one of two": ("Content-Security-Policy", "report-uri /own https://t.example/a", "report-uri /own "),
    "a second policy": (
        "Content-Security-Policy-Report-Only",
        "img-src *;report-uri /own, script-src 'none'; report-uri\thttps://t.example/a",
        "img-src *;report-uri /own, script-src 'none';",
    ),
    "nothing else": ("Content-Security-Policy-Report-Only", "report-uri //t.example/a;", None),
    # https://www.w3.org/TR/reporting-1/#header
    "an endpoint of two": ("Reporting-Endpoints", 'a="https://t.example/", b="/own";x=1', 'b="/own";x=1'),
    "an escape": ("Reporting-Endpoints", 'a="https:\\/\\/t.example/"', None),
    "what is no dictionary": ("Reporting-Endpoints", 'A="https://t.example/"', None),
    # https://www.w3.org/TR/2018/WD-reporting-1-20180925/#header
    "a group of two": ("Report-To", _TWO, '{"group": "b", "endpoints": [{"url": "/own"}]}'),
    "an escape of JSON": ("Report-To", '{"endpoints":[{"url":"https://t\\u002eexample/"}]}', None),
    "what is not JSON": ("Report-To", "{url: https://t.example}", None),
    # obsolete, and still in some browsers
    "certificates": ("Expect-CT", 'max-age=1, report-uri="https://t.example/"', None),
    "the old filter": ("X-XSS-Protection", "1; report=https://t.example/a", None),
    "the old filter alone": ("X-XSS-Protection", "1; mode=block", "1; mode=block"),
    "errors": ("NEL", '{"report_to":"b","max_age":9}', '{"report_to":"b","max_age":9}'),
}


@pytest.mark.parametrize(("name", "value", "expected"), REPORTS.values(), ids=REPORTS)
def test_reports_to_what_is_held_go(name: str, value: str, expected: str | None) -> None:
    """A browser sends no report to a held address; what the header says besides stays."""
    found = without_held([(name, value)], lambda url: "t.example" in url, lambda value: False, lambda name: False)
    assert found == ([] if expected is None else [(name, expected)])


DOCUMENTS = {
    "a drawing": (200, typed("image/svg+xml"), Handling.REWRITE),
    "a feed": (200, typed("application/rss+xml; charset=utf-8"), Handling.REWRITE),
    "XML": (404, typed("Text/XML"), Handling.REWRITE),
    "unreadable without a type": (200, [("Content-Encoding", "br")], Handling.REFUSE),
    "part without a type": (206, [], Handling.REFUSE),
    "a picture": (200, typed("image/png"), Handling.PASS),
    "part of a film": (206, typed("video/mp4"), Handling.PASS),
}


@pytest.mark.parametrize(("status", "headers", "handling"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_a_browser_shows_as_a_document_does_not_pass(
    status: int, headers: list[tuple[str, str]], handling: Handling
) -> None:
    """XML of any type is a document where it is navigated to (https://html.spec.whatwg.org/#navigate-xml)."""
    verdict = judge(status, headers, {"gzip"}, document=True)
    assert verdict.handling is handling
    assert verdict.xml is verdict.piece is (handling is Handling.REWRITE)
    if typed() != headers and headers[0][0] == "Content-Type":
        assert judge(status, headers, {"gzip"}).handling is Handling.PASS


names = st.sampled_from(
    ["Content-Type", "Link", "Refresh", "Vary", "Cache-Control", "Content-Security-Policy", "X", "Report-To"]
    + ["Reporting-Endpoints", "NEL", "X-XSS-Protection"]
)


@given(st.integers(100, 599), st.lists(st.tuples(names, st.text(max_size=40)), max_size=5))
def test_no_headers_raise(status: int, headers: list[tuple[str, str]]) -> None:
    """Whatever an application sends, it is judged."""
    judge(status, headers)
    for_one_visitor(headers)
    for_everybody(headers, depends=("Accept-Language",))
    for_class(headers, "none", depends=("Accept-Language",))
    kept(*headers)
