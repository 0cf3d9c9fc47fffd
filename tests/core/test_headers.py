"""
Response heads: what becomes of a response, and its headers once the page in it is one visitor's.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.headers import Handling
from consent_mw.core.headers import for_one_visitor
from consent_mw.core.headers import inline_policy
from consent_mw.core.headers import judge
from consent_mw.core.headers import media_type
from consent_mw.core.headers import without_held


def typed(*values: str) -> list[tuple[str, str]]:
    """Return headers with these content types."""
    return [("Content-Type", value) for value in values]


TYPES = {
    ("text/html",): ("text/html", ""),
    ("Text/HTML ; Charset=UTF-8",): ("text/html", "UTF-8"),
    ('text/html; charset="utf-8"',): ("text/html", "utf-8"),
    ("text/html; a=b; charset=x; charset=y",): ("text/html", "x"),
    ("text/html;charset=",): ("text/html", ""),
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
    shared = "Expires CDN-Cache-Control Surrogate-Control Cloudflare-CDN-Cache-Control Vercel-CDN-Cache-Control"
    gone = f"{bytes_own} {shared}".split()
    headers = [(name, "x") for name in gone] + [("X-Own", "1"), ("Set-Cookie", "a=b"), ("set-cookie", "c=d")]
    assert for_one_visitor(headers) == [
        ("X-Own", "1"),
        ("Set-Cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Cookie, Sec-GPC, Accept-Language"),
    ]


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
    "not a link": None,
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


POLICIES = {
    "none": ([], ("", True)),
    "other directives": (["img-src 'self'"], ("", True)),
    "inline allowed": (["script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'"], ("", True)),
    "inline forbidden": (["script-src 'self'"], ("", False)),
    "forbidden by default": (["default-src 'self'"], ("", False)),
    "forbidden for styles": (["script-src 'unsafe-inline'; style-src 'self'"], ("", False)),
    "nonce": (["script-src 'nonce-abc='; style-src 'unsafe-inline'"], ("abc=", True)),
    "nonce for scripts only": (["script-src 'nonce-abc'; style-src 'self'"], ("abc", False)),
    "hashes forbid the rest": (["script-src 'unsafe-inline' 'sha256-x'"], ("", False)),
    "elements before all": (["script-src 'self'; script-src-elem 'UNSAFE-INLINE'"], ("", True)),
    "the stricter of two": (["script-src 'unsafe-inline'", "script-src 'self'"], ("", False)),
    "two in one header": (["script-src 'unsafe-inline', script-src 'self'"], ("", False)),
    "empty": ([" ; ;"], ("", True)),
}


@pytest.mark.parametrize(("values", "expected"), POLICIES.values(), ids=POLICIES)
def test_what_a_policy_allows(values: list[str], expected: tuple[str, bool]) -> None:
    """The banner's own code fits the page's Content-Security-Policy: a nonce, or inline, or links."""
    headers = [("X-Own", "1"), *(("Content-Security-Policy", value) for value in values)]
    assert inline_policy(headers) == expected


names = st.sampled_from(["Content-Type", "Link", "Refresh", "Vary", "Cache-Control", "Content-Security-Policy", "X"])


@given(st.integers(100, 599), st.lists(st.tuples(names, st.text(max_size=40)), max_size=5))
def test_no_headers_raise(status: int, headers: list[tuple[str, str]]) -> None:
    """Whatever an application sends, it is judged."""
    judge(status, headers)
    for_one_visitor(headers)
    inline_policy(headers)
    kept(*headers)
