"""Reading and writing cookies in headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.cookies import cookies_of
from consent_mw.http.cookies import delete_cookie
from consent_mw.http.cookies import deletes
from consent_mw.http.cookies import names_in
from consent_mw.http.cookies import parse_cookies
from consent_mw.http.cookies import prefix_for
from consent_mw.http.cookies import set_cookie
from consent_mw.http.cookies import values_of
from consent_mw.http.hosts import port_of
from consent_mw.http.request import RequestHead

TOKENS = st.text("abcXYZ09-_.", min_size=1, max_size=8)


def head(*cookies: str, scheme: str = "https", host: str = "shop.example") -> RequestHead:
    """Return a request with these Cookie headers."""
    return RequestHead("GET", scheme, host, "/", "", tuple(("cookie", cookie) for cookie in cookies))


@given(st.lists(st.tuples(TOKENS, TOKENS)), st.sampled_from(["; ", ";", ";\t", " ; "]))
def test_every_cookie_comes_back(pairs: list[tuple[str, str]], joint: str) -> None:
    """Names and values are read in order, repeats kept, whatever space stands between them."""
    header = joint.join(f"{name}={value}" for name, value in pairs)
    assert list(parse_cookies(header)) == (pairs or [("", "")])


@given(st.text(max_size=60))
def test_no_header_raises(header: str) -> None:
    """Whatever a header holds, it is read."""
    for name, _ in parse_cookies(header):
        assert ";" not in name


def test_cookies_of_several_headers_are_one_list() -> None:
    """HTTP/2 may send each cookie in a header of its own."""
    assert list(cookies_of(head("a=1; b=2", "a=3"))) == [("a", "1"), ("b", "2"), ("a", "3")]
    assert values_of(head("a=1; b=2", "a=3"), "a") == ["1", "3"]


def test_a_cookie_without_a_name_passes_for_none_of_ours() -> None:
    """``=__Host-cmw=x`` can be set without the prefix's rules: it has no name, though servers read one out of it."""
    sent = head("=__Host-cmw=x; = _ga=1")
    assert values_of(sent, "__Host-cmw") == []
    assert names_in(sent) == ["__Host-cmw", "_ga"]


@pytest.mark.parametrize(
    ("scheme", "host", "insecure", "prefix"),
    [
        ("https", "shop.example", False, "__Host-"),
        ("https", "localhost", False, "__Host-"),
        ("http", "localhost:8000", False, ""),
        ("http", "127.0.0.1", False, ""),
        ("http", "[::1]:80", False, ""),
        ("http", "shop.example", False, None),
        ("http", "shop.example", True, ""),
        ("ws", "localhost", True, None),
    ],
)
def test_where_a_cookie_may_be_kept(scheme: str, host: str, insecure: bool, prefix: str | None) -> None:
    """Over https anywhere; over plain http on this machine, or where the owner accepts the risk."""
    assert prefix_for(head(scheme=scheme, host=host), insecure=insecure) == prefix


def test_a_cookie_is_written_with_its_attributes() -> None:
    """Every attribute stands where it should, and deleting repeats path and domain."""
    assert set_cookie("__Host-a", "b", seconds=60) == ("__Host-a=b; Path=/; Max-Age=60; SameSite=Lax; HttpOnly; Secure")
    assert set_cookie("a", "b", seconds=0, domain="x.example", hidden=False) == (
        "a=b; Path=/; Max-Age=0; SameSite=Lax; Domain=x.example"
    )
    assert delete_cookie("__Secure-a", domain="x.example") == (
        "__Secure-a=; Path=/; Max-Age=0; Domain=x.example; Secure"
    )


@pytest.mark.parametrize(
    ("authority", "port"),
    [
        ("a.example:80", "80"),
        ("a.example", ""),
        ("[::1]:8000", "8000"),
        ("[::1]", ""),
        ("::1", ""),
        ("a:", ""),
        ("a:8x", ""),
        ("a:123456", ""),
    ],
)
def test_the_port_of_a_host(authority: str, port: str) -> None:
    """A port is up to five digits behind the last colon outside brackets."""
    assert port_of(authority) == port


@pytest.mark.parametrize(
    "attributes",
    [
        "Max-Age=0",
        "path=/; MAX-AGE = -1; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
        "expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Thu, 01-Jan-1970 00:00:01 GMT; Domain=a.example",
    ],
)
def test_a_value_that_deletes_a_cookie(attributes: str) -> None:
    """Servers delete a cookie by an age of zero or a date in 1970."""
    assert deletes(f"a=; {attributes}")


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        "Max-Age=00001",
        "Max-Age=0; Max-Age=9",
        "Max-Age=0; Max-Age=9x",
        "Max-Age=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Thu, 01 Jan 2099 00:00:00 GMT",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
        "Expires=1970 2099",
        "x-Max-Age=0",
    ],
)
def test_a_value_that_may_set_a_cookie(attributes: str) -> None:
    """Whatever a browser may take for a date or an age to come is no deletion; nor is the cookie's own value."""
    assert not deletes(f"a=Max-Age=0; {attributes}")
