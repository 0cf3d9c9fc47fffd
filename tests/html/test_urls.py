"""
Addresses are resolved as a browser resolves them, as far as the host and what a path rule looks at go.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import decode_with_offsets
from consent_mw.html.urls import public_suffix_length
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.html.urls import unescape_attribute

BASE = Url("https", "shop.example", "/blog/post?q=1")

RESOLVED = {
    # absolute
    "https://T.Example/a?b#c": ("https", "t.example", "/a?b"),
    "http://t.example": ("http", "t.example", "/"),
    "http://t.example?a": ("http", "t.example", "/?a"),
    "http://t.example#a": ("http", "t.example", "/"),
    "ftp://t.example/a": ("ftp", "t.example", "/a"),
    "wss://t.example/": ("wss", "t.example", "/"),
    # slashes missing, doubled or turned
    "http:t.example/a": ("http", "t.example", "/a"),
    "http:/t.example/a": ("http", "t.example", "/a"),
    "https:////t.example/a": ("https", "t.example", "/a"),
    "https:\\\\t.example\\a": ("https", "t.example", "/a"),
    "//t.example/a": ("https", "t.example", "/a"),
    "\\/t.example/a": ("https", "t.example", "/a"),
    "/\\t.example/a": ("https", "t.example", "/a"),
    "///t.example/a": ("https", "t.example", "/a"),
    # the page's own scheme without slashes is relative
    "https:a": ("https", "shop.example", "/blog/a"),
    "https:/a": ("https", "shop.example", "/a"),
    "https:?a": ("https", "shop.example", "/blog/post?a"),
    # relative
    "": ("https", "shop.example", "/blog/post?q=1"),
    "#a": ("https", "shop.example", "/blog/post?q=1"),
    "?a#b": ("https", "shop.example", "/blog/post?a"),
    "a/b": ("https", "shop.example", "/blog/a/b"),
    "/a": ("https", "shop.example", "/a"),
    "\\a": ("https", "shop.example", "/a"),
    "./a": ("https", "shop.example", "/blog/a"),
    "../a": ("https", "shop.example", "/a"),
    "../../../a": ("https", "shop.example", "/a"),
    "a/..": ("https", "shop.example", "/blog/"),
    "a/.": ("https", "shop.example", "/blog/a/"),
    "/a/%2e%2E/b": ("https", "shop.example", "/b"),
    "a?b/../c": ("https", "shop.example", "/blog/a?b/../c"),
    "1a:b": ("https", "shop.example", "/blog/1a:b"),
    # white space and control characters
    " \x00\x1fhttps://t.example/a \x0c": ("https", "t.example", "/a"),
    "ht\ntp\ts://t.ex\rample/a": ("https", "t.example", "/a"),
    # user info, ports, dots, digits in brackets
    "https://user:secret@t.example/a": ("https", "t.example", "/a"),
    "https://a@b@t.example/a": ("https", "t.example", "/a"),
    "https://t.example:8443/a": ("https", "t.example", "/a"),
    "https://t.example./a": ("https", "t.example", "/a"),
    "https://[2001:db8::1]:80/a": ("https", "[2001:db8::1]", "/a"),
    # no host
    "javascript:a()": ("javascript", "", "a()"),
    "JavaScript:a()": ("javascript", "", "a()"),
    "data:,a": ("data", "", ",a"),
    "about:blank": ("about", "", "blank"),
    "mailto:a@t.example": ("mailto", "", "a@t.example"),
}


@pytest.mark.parametrize(("text", "expected"), RESOLVED.items(), ids=map(repr, RESOLVED))
def test_references_are_resolved(text: str, expected: tuple[str, str, str]) -> None:
    """Scheme, host and path come out as in the URL Standard."""
    assert resolve(text, BASE) == Url(*expected)


HOSTS = {
    "T.EXAMPLE": "t.example",
    "t%2Eexample": "t.example",
    "t\u3002example": "t.example",
    "\uff54\uff0e\uff45xample": "t.example",
    "t\u00ad\u200b.example": "t.example",
    "b\u00fccher.example": "xn--bcher-kva.example",
    "B\u00dcCHER.example": "xn--bcher-kva.example",
    "\u2460.example": "1.example",
    "t.example...": "t.example",
    "": "",
}


@pytest.mark.parametrize(("text", "expected"), HOSTS.items(), ids=map(ascii, HOSTS))
def test_hosts_are_as_the_browser_sends_them(text: str, expected: str) -> None:
    """Hosts are percent-decoded, mapped, in lower case and in Punycode."""
    assert ascii_host(text) == expected


REFERENCES = {
    "&amp;": "&",
    "&amp": "&",
    "&ampx": "&ampx",
    "&amp=": "&amp=",
    "&amp;=": "&=",
    "&amp ": "& ",
    "&AMP;": "&",
    "&copy": "\u00a9",
    "&notin;": "\u2209",
    "&notit;": "&notit;",
    "&colon;": ":",
    "&colon": "&colon",
    "&sol;&period;&Tab;&NewLine;": "/.\t\n",
    "&#58;": ":",
    "&#58": ":",
    "&#x3a;": ":",
    "&#X3A": ":",
    "&#x3ag": ":g",
    "&#0;": "\ufffd",
    "&#00000000000000058;": ":",
    "&#x0000000000000003A;": ":",
    "&#xD800;": "\ufffd",
    "&#x110000;": "\ufffd",
    "&#99999999999999999999;": "\ufffd",
    "&#128;": "\u20ac",
    "&#x9f;": "\u0178",
    "&unknown;": "&unknown;",
    "&#;&#x;&": "&#;&#x;&",
    "&&amp;": "&&",
    "&amp;amp;": "&amp;",
}


@pytest.mark.parametrize(("text", "expected"), REFERENCES.items(), ids=REFERENCES)
def test_character_references_in_attributes(text: str, expected: str) -> None:
    """References are decoded as in the value of an attribute."""
    assert unescape_attribute(text) == expected


def test_decoded_text_knows_where_it_came_from() -> None:
    """Each decoded byte has the offset of what it was decoded from."""
    assert decode_with_offsets(b"a&#58;b&euro;c") == (b"a:b\xe2\x82\xacc", [0, 1, 6, 7, 7, 7, 13])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"&quothttps:", b'"https:'),
        (b"&notit;", "\u00acit;".encode()),
        (b"&notin;", "\u2209".encode()),
        (b"&amp=", b"&="),
        (b"&x;&#;&colon", b"&x;&#;&colon"),
    ],
)
def test_references_in_text_need_no_semicolon(text: bytes, expected: bytes) -> None:
    """In text, unlike in attributes, an old name ends where it must, whatever follows."""
    assert decode_with_offsets(text)[0] == expected


@given(st.binary(max_size=60))
def test_offsets_fit_any_bytes(raw: bytes) -> None:
    """There is one offset for each byte, in order, inside the text."""
    text, offsets = decode_with_offsets(raw)
    assert len(text) == len(offsets)
    assert offsets == sorted(offsets)
    assert all(0 <= offset < len(raw) for offset in offsets)


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_raises(text: str, start: str) -> None:
    """Whatever stands in an attribute, it is resolved; the host is lower-case ASCII and the path has no fragment."""
    for base in (BASE, Url("http", "", ""), Url("data", "", "x")):
        url = resolve(start + text, base)
        assert url.host.isascii()
        assert url.host == url.host.lower()
        assert not url.host or "#" not in url.rest


@given(st.lists(st.sampled_from(["a", "..", ".", "", "%2e", "?", "#", "\\", "b c"]), max_size=8).map("/".join))
def test_resolving_twice_changes_nothing(path: str) -> None:
    """What was resolved stays where it is, whatever it is resolved against."""
    url = resolve("//t.example/" + path, BASE)
    assert resolve(f"{url.scheme}://{url.host}{url.rest}", Url("http", "other.example", "/")) == url


SITES = {
    "shop.example": "shop.example",
    "www.shop.example": "shop.example",
    "shop.co.uk": "shop.co.uk",
    "www.shop.co.uk": "shop.co.uk",
    "co.uk": "co.uk",
    "localhost": "localhost",
    "192.0.2.1": "192.0.2.1",
    "a.b.com.au": "b.com.au",
}


@pytest.mark.parametrize(("host", "expected"), SITES.items(), ids=SITES)
def test_the_site_of_a_host(host: str, expected: str) -> None:
    """First and third parties are told apart by the registrable domain, near enough."""
    assert site_of(host) == expected


def test_how_much_of_a_host_is_open_for_registration() -> None:
    """One label, or two under a country code."""
    assert public_suffix_length(["shop", "example"]) == 1
    assert public_suffix_length(["www", "shop", "co", "uk"]) == 2
    assert public_suffix_length(["co", "uk"]) == 1
