"""Which HTML is no page of its own, by the head of its response, and what a page says that it includes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.headers import judge
from consent_mw.http.pieces import Beginning
from consent_mw.http.pieces import Includes
from consent_mw.http.pieces import is_piece
from consent_mw.http.pieces import is_redirect

HTML = ("Content-Type", "text/html")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [("Content-Disposition", 'attachment; filename="report.html"')]),
        (200, [("content-disposition", "ATTACHMENT")]),
        (200, [("Content-Disposition", "x-own; filename=a")]),
        (200, [("X-Cmw-Piece", "1")]),
        (200, [("x-cmw-piece", "yes")]),
        (401, [("WWW-Authenticate", "Basic realm=x")]),
        (407, []),
        (412, []),
        (416, []),
        (303, [("Location", "/next")]),
    ],
)
def test_what_nobody_reads_as_a_page(status: int, headers: list[tuple[str, str]]) -> None:
    """What is saved, included, asked again or followed gets no notice."""
    assert is_piece(status, [HTML, *headers])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, []),
        (200, [("Content-Disposition", "inline")]),
        (200, [("Content-Disposition", "Inline; filename=page.html")]),
        (200, [("X-Cmw-Piece", "0")]),
        (401, []),
        (403, []),
        (404, []),
        (500, []),
        (503, [("Retry-After", "60")]),
    ],
)
def test_what_a_visitor_reads(status: int, headers: list[tuple[str, str]]) -> None:
    """Errors that are pages are pages."""
    assert not is_piece(status, [HTML, *headers])


@pytest.mark.parametrize(
    ("status", "location", "expected"),
    [
        (301, "/a", True),
        (302, "https://other.example/", True),
        (308, "page?x=a:b", True),
        (307, "HTTP://other.example", True),
        (302, "", False),
        (302, "javascript:alert(1)", False),
        (302, "data:text/html,x", False),
        (300, "/a", False),
        (201, "/a", False),
    ],
)
def test_a_browser_that_goes_elsewhere_shows_nothing(status: int, location: str, expected: bool) -> None:
    """The body of such a redirect is no page; where the browser cannot follow, it may be."""
    headers = [HTML, ("Location", location)]
    assert is_redirect(status, headers) is expected
    assert judge(status, headers).piece is expected


PAGE = b"""<!doctype html><body><!--#include virtual="/top.html" -->
<!-- # include virtual="/not.html" --><!--# include file='foot.html' --><p>&lt;!--#include virtual="/no.html" --&gt;
<esi:include src="/menu?x=1" onerror="continue"/><esi:remove><a href="/x">x</a></esi:remove>
<!--#INCLUDE VIRTUAL="/loud.html"--><!--#echo var="DATE" --></body>"""
NAMED = ["/top.html", "/shop/foot.html", "/menu", "/loud.html"]


def test_what_a_page_includes_is_read() -> None:
    """Server-side includes and Edge Side Includes are found, other comments are not."""
    assert list(Includes("/shop/page").read(PAGE)) == NAMED


@given(cuts=st.sets(st.integers(0, len(PAGE)), max_size=12))
def test_it_is_read_however_the_page_is_cut(cuts: set[int]) -> None:
    """Any chunking names the same parts."""
    places = [0, *sorted(cuts), len(PAGE)]
    reader = Includes("/shop/page")
    found = [path for start, end in zip(places, places[1:], strict=False) for path in reader.read(PAGE[start:end])]
    assert found == NAMED


@given(chunks=st.lists(st.sampled_from([b"<", b"<!--#", b"<esi:", b"include", b' virtual="', b"x" * 400, b"\n"])))
def test_what_is_kept_of_a_page_is_bounded(chunks: list[bytes]) -> None:
    """However a page goes on, a kilobyte is kept at most."""
    reader = Includes("/")
    for chunk in chunks:
        list(reader.read(chunk))
        assert len(reader._tail) < 1100 + 400


PARTS_OF_INCLUDES = [
    *(
        b"<!--#include virtual='/a' -->",
        b"<!--#INCLUDE file=b -->",
        b"<esi:include src='/c'/>",
        b"<ESI:include src='/d'>",
    ),
    *(b"<!--#", b"<esi:", b"<!--", b"<", b"#", b">", b"<p>text</p>", b"include virtual=/e ", b" -->", b"<!-", b"<es"),
]


@given(
    st.lists(st.sampled_from(PARTS_OF_INCLUDES), max_size=10).map(b"".join), st.lists(st.integers(0, 200), max_size=6)
)
@example(page=b"<esi:include virtual=/e <ESI:include src='/d'>", cuts=[25])
def test_how_a_page_is_cut_changes_nothing(page: bytes, cuts: list[int]) -> None:
    """The same parts are named, wherever a page is cut, and whatever comes near to an include."""
    reader = Includes("/")
    ends = [0, *sorted(min(cut, len(page)) for cut in cuts), len(page)]
    named = [path for start, end in pairwise(ends) for path in reader.read(page[start:end])]
    assert named == list(Includes("/").read(page))


PARTS_OF_BEGINNINGS = [
    *(
        b"<!--",
        b"-->",
        b"--!>",
        b"<!-->",
        b"<!--->",
        b"-",
        b">",
        b"<",
        b"!",
        b" ",
        b"\n",
        b"x",
        b"<p>",
        b"<!doctype html>",
    ),
    *(
        b"<!-- a -->",
        b"<!--#include virtual=/a -->",
        b"<!--#set var=a -->",
        b"<!--esi ",
        b"\xef\xbb\xbf",
        b"<!-- <p> -->",
    ),
]


@given(
    st.lists(st.sampled_from(PARTS_OF_BEGINNINGS), max_size=10).map(b"".join), st.lists(st.integers(0, 99), max_size=6)
)
@example(body=b"<!-->\xef\xbb\xbf", cuts=[6])
def test_a_body_begins_at_the_same_place_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    """Little is kept meanwhile."""
    reader = Beginning()
    whole = Beginning().read(body)
    ends = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    begun = b""
    for start, end in pairwise(ends):
        begun = begun + body[start:end] if begun else reader.read(body[start:end])
        assert len(reader._kept) < 30
    assert begun == whole
