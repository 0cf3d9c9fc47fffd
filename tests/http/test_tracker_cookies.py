"""The cookies of other parties: which of them go, and that no browser keeps them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.cookies import without
from consent_mw.http.tracker_cookies import expire
from consent_mw.http.tracker_cookies import is_distinctive


def service(name: str, *cookies: str) -> Service:
    """Return a service that sets these cookies."""
    return Service(id=name, name=name, vendor="V", purposes=("analytics",), cookies=cookies)


GA = service("ga", "_ga", "_ga_*", "_gat*x")


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        *((glob, True) for glob in ("_ga", "_hj*", "__utma", "_uetvid", "FPID", "AMCV_*", "hubspotutk")),
        *((glob, False) for glob in ("*", "a*", "_a", "_*", "mbox", "srv_*", "RT", "viewer_token", "kl_csrftoken")),
    ],
)
def test_a_vendor_s_name_is_told_from_a_site_s_own(glob: str, expected: bool) -> None:
    """A short name, or one of common words, may be a site's own."""
    assert is_distinctive(glob) is expected


def test_a_cookie_is_expired_for_the_host_and_every_domain_above_it() -> None:
    """Whichever domain the cookie was set for, one of the values replaces it."""
    assert expire(["_ga"], [GA], "www.shop.example.org:8443") == [
        "_ga=; Path=/; Max-Age=0",
        "_ga=; Path=/; Max-Age=0; Domain=example.org",
        "_ga=; Path=/; Max-Age=0; Domain=shop.example.org",
        "_ga=; Path=/; Max-Age=0; Domain=www.shop.example.org",
    ]


@pytest.mark.parametrize("host", ["localhost", "intranet:80", "127.0.0.1:5000", "[::1]:5000", "[2001:db8::1]", ""])
def test_a_host_without_a_domain_expires_for_itself_alone(host: str) -> None:
    """Single labels and addresses have no domain that a cookie could be set for."""
    assert expire(["_ga"], [GA], host) == ["_ga=; Path=/; Max-Age=0"]


@pytest.mark.parametrize(
    "host", ["a.example; Secure", "a.example\r\nX: y", "a..example", "ä.example", "a." * 200 + "b"]
)
def test_a_host_that_is_no_host_name_reaches_no_header(host: str) -> None:
    """The Host header is the client's word: what is odd in it is left out."""
    assert expire(["_ga"], [GA], host) == ["_ga=; Path=/; Max-Age=0"]


def test_only_matching_cookies_are_expired() -> None:
    """Names match whole, in their own case, and ``*`` stands for any run of characters; each counts once."""
    seen = ["_ga", "_GA", "_ga_AB12", "_gab", "x_ga", "_gat_x", "_gat", "session", "_ga"]
    names = [value.partition("=")[0] for value in expire(seen, [GA], "localhost")]
    assert names == ["_ga", "_ga_AB12", "_gat_x"]


def test_other_wildcards_are_plain_characters() -> None:
    """``?``, ``.`` and brackets in a cookie's name mean themselves."""
    assert expire(["a.b", "axb", "c"], [service("s", "a.b", "[c]", "?")], "localhost") == ["a.b=; Path=/; Max-Age=0"]


def test_a_name_that_is_no_token_reaches_no_header() -> None:
    """A cookie's name cannot smuggle an attribute or a line into the response."""
    seen = ["_ga_; Domain=x", "_ga_\r\nX: y", "_ga_=", "_ga_ä", ""]
    assert expire(seen, [GA], "localhost") == []


def test_the_choice_itself_is_never_expired() -> None:
    """No pattern, however wide, makes the visitor's choice go."""
    own = ["cmw", "__Host-cmw", "__Secure-cmw", "__Host-cmw-state", "cmw-state", "__Host-cmw-uncounted"]
    assert expire(own, [service("s", "*")], "localhost") == []


def test_prefixed_cookies_are_expired_as_browsers_demand() -> None:
    """``__Secure-`` needs Secure, and ``__Host-`` no Domain, or the browser ignores the value."""
    assert expire(["__Host-x", "__secure-x"], [service("s", "__*")], "a.example") == [
        "__Host-x=; Path=/; Max-Age=0; Secure",
        "__secure-x=; Path=/; Max-Age=0; Secure",
        "__secure-x=; Path=/; Max-Age=0; Domain=a.example; Secure",
    ]


def test_services_without_cookies_expire_nothing() -> None:
    """No pattern means no match, not every match."""
    assert expire(["_ga"], [service("s")], "localhost") == []


def test_the_number_of_values_is_bounded() -> None:
    """A request full of cookies makes no response whose headers a server in front would refuse."""
    short = expire([f"_ga_{n}" for n in range(500)], [GA], "localhost")
    long = expire([f"_ga_{'x' * 90}{n}" for n in range(500)], [GA], "a.b.example.org")
    assert (len(short), sum(map(len, long)) <= 2048 < sum(map(len, long)) + 150) == (60, True)


def test_a_cookie_is_expired_on_every_path_that_the_request_is_under() -> None:
    """A cookie of a part of the site is sent to pages there only: on each of them it is expired for that part."""
    paths = [value.split("; ")[1] for value in expire(["_ga"], [GA], "localhost", "/shop/prints/a4")]
    assert paths == [
        "Path=/",
        "Path=/shop/prints/a4",
        "Path=/shop/prints",
        "Path=/shop/prints/",
        "Path=/shop",
        "Path=/shop/",
    ]


@pytest.mark.parametrize("path", ["/", "", "/page"])
def test_the_whole_site_comes_first(path: str) -> None:
    """Nearly all cookies are set for the whole site: that goes first for each of them, before any path."""
    values = expire(["_ga", "_ga_1"], [GA], "a.example", path)
    assert [("Path=/;" in value) for value in values] == [True] * 4 + [False] * (4 if path == "/page" else 0)


@pytest.mark.parametrize("path", ["/a;b/c", "/a\r\nX: y/c", "/a b/ü/c", "//evil.example/c", "/a,b/c"])
def test_a_path_cannot_add_to_a_value(path: str) -> None:
    """The path is the visitor's word: what would end the attribute is quoted as browsers quote it."""
    for value in expire(["_ga"], [GA], "localhost", path):
        assert re.fullmatch(r"_ga=; Path=/[A-Za-z0-9%/.,:_-]*; Max-Age=0", value)


def test_a_prefix_before_the_name_does_not_hide_a_cookie() -> None:
    """A tracker's cookie under ``__Host-`` or ``__Secure-`` is the tracker's, and goes with what browsers demand."""
    assert expire(["__Host-_ga", "__secure-_ga"], [GA], "a.example", "/x/y") == [
        "__Host-_ga=; Path=/; Max-Age=0; Secure",
        *(
            f"__secure-_ga=; Path={path}; Max-Age=0{domain}; Secure"
            for path in ("/", "/x/y", "/x", "/x/")
            for domain in ("", "; Domain=a.example")
        ),
    ]


@given(st.lists(st.text(max_size=12), max_size=5), st.text(max_size=20), st.text(max_size=40))
def test_any_names_host_and_path_give_safe_values(seen: list[str], host: str, path: str) -> None:
    """Every value is one line of header characters, with no more than the attributes that it should have."""
    for value in expire(seen, [service("s", "*")], host, path):
        assert re.fullmatch(
            r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+=; Path=/[!-:<-~]*; Max-Age=0(; Domain=[a-z0-9_.-]+)?(; Secure)?", value
        )


# -- what a cookie is called


@pytest.mark.parametrize(
    "value",
    [
        "_ga=1",
        "_ga=1; Path=/; Domain=.shop.example; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=99",
        "  _ga =1",
        "\t_ga\t=\t1",
        "_ga",
        "_ga=",
        "_ga; Path=/",
        '_ga="a;b"',
        "=_ga=1",
        " = _ga=1",
        "==_ga=1",
    ],
)
def test_a_cookie_has_the_name_under_which_it_comes_back(value: str) -> None:
    """Attributes, space around the name, no value, and no name at all do not hide what servers will read."""
    assert name_of_pair(value) == "_ga"


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("own=1; _ga=2; more=3", "own=1; more=3"),
        ("_ga=1", ""),
        ("_ga=1;own=a=b;_ga=2", "own=a=b"),
        ("own=1;  odd ; =x", "own=1;  odd ; =x"),
        ("=_ga=2; own", "own"),
        ("", ""),
    ],
)
def test_what_is_left_of_a_cookie_header(header: str, left: str) -> None:
    """Held cookies go, every one of them; the others stay byte for byte, in their order."""
    assert without(header, lambda name: name == "_ga") == left
