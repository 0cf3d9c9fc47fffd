"""The cookie of visitors who do not want to be counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.cookies.objection import objected
from consent_mw.cookies.objection import objection_cookie
from consent_mw.http.request import RequestHead

VISIT = RequestHead("GET", "https", "shop.example", "/", "", ())


def with_headers(*headers: tuple[str, str]) -> RequestHead:
    """Return the visit with these headers."""
    return replace(VISIT, headers=headers)


@pytest.mark.parametrize(
    "head",
    [
        with_headers(("cookie", "__Host-cmw-uncounted=0")),
        with_headers(("cookie", "__Host-cmw-uncounted=")),
        with_headers(("cookie", "x__Host-cmw-uncounted=1")),
        with_headers(("cookie", "__Host-cmw-uncounted=11")),
        with_headers(("cookie", "cmw-uncounted=1")),
        with_headers(("x-cookie", "__Host-cmw-uncounted=1")),
    ],
    ids=lambda head: str(head.headers[-1]),
)
def test_what_only_looks_like_an_objection_is_none(head: RequestHead) -> None:
    """The one name and the one value object; on https only the name that nobody else can set."""
    assert not objected(head)


@pytest.mark.parametrize(
    "header", ["__Host-cmw-uncounted=1", "a=b;__Host-cmw-uncounted=1", "a=b;\t__Host-cmw-uncounted=1 ; c"]
)
def test_an_objection_is_found_among_other_cookies(header: str) -> None:
    """Space around it and cookies beside it do not hide it."""
    assert objected(with_headers(("cookie", header)))


def test_objecting_is_the_same_for_everybody() -> None:
    """The cookie holds nothing that tells visitors apart, lasts as long as browsers keep any, and objects."""
    cookie = objection_cookie(VISIT, object=True)
    assert cookie == "__Host-cmw-uncounted=1; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly; Secure"
    assert objected(with_headers(("cookie", cookie.partition(";")[0])))


def test_an_objection_is_taken_back() -> None:
    """The cookie is deleted by one without value and lifetime."""
    local = replace(VISIT, scheme="http", host="localhost:8000")
    assert objection_cookie(local, object=False) == "cmw-uncounted=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"


@pytest.mark.parametrize(
    ("scheme", "host", "insecure", "kept"),
    [
        ("https", "shop.example", False, True),
        ("http", "shop.example", False, False),
        ("http", "shop.example", True, True),
        ("http", "localhost", False, True),
        ("ws", "shop.example", True, False),
    ],
)
def test_an_objection_is_kept_where_a_choice_is(scheme: str, host: str, insecure: bool, kept: bool) -> None:
    """Whether plain http may keep a cookie has one answer for all cookies of ours."""
    head = replace(VISIT, scheme=scheme, host=host)
    assert (objection_cookie(head, object=True, insecure=insecure) is not None) is kept


def test_an_objection_counts_however_it_arrived() -> None:
    """Over plain http none is promised, but one that is there is honoured: saying no needs less than saying yes."""
    assert objected(replace(VISIT, scheme="http", headers=(("cookie", "cmw-uncounted=1"),)))
