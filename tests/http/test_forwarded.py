"""What proxies say of a request: believed as far as the owner's own wrote it, and no further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.forwarded import as_visited
from consent_mw.http.request import RequestHead


def seen(proxies: int, script_name: str = "", **headers: str) -> tuple[str, str, str]:
    """Return scheme, host and prefix as the visitor saw them; the names of headers have underscores."""
    fields = tuple((f"x-forwarded-{name}", value) for name, value in headers.items())
    head, prefix = as_visited(RequestHead("GET", "http", "inner:8000", "/a", "", fields), script_name, proxies)
    return head.scheme, head.host, prefix


PLAIN = ("http", "inner:8000", "")


def test_without_proxies_nothing_is_believed() -> None:
    """An owner who stated no proxy has visitors who write what they like."""
    assert seen(0, proto="https", host="evil.example", prefix="/evil") == PLAIN


def test_one_proxy_is_believed() -> None:
    """Scheme, host and prefix are what the visitor's browser shows."""
    assert seen(1, proto="https", host="shop.example", prefix="/shop/") == ("https", "shop.example", "/shop")


@pytest.mark.parametrize(
    ("proxies", "proto", "scheme"),
    [
        (1, "http, https", "https"),
        (2, "https, http", "https"),
        (2, "evil, https, http", "https"),
        (2, "https", "http"),
        (1, "HTTPS ", "https"),
        (1, "ftp", "http"),
        (1, "https,", "http"),
        (1, "", "http"),
    ],
)
def test_the_entry_of_the_outermost_stated_proxy_counts(proxies: int, proto: str, scheme: str) -> None:
    """What stands further left is the visitor's word, and with fewer entries than proxies nobody knows whose."""
    assert seen(proxies, proto=proto)[0] == scheme


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("host", "a.example/x"),
        ("host", "a.example\r\nX: y"),
        ("host", "user@a.example"),
        ("host", "a b"),
        ("host", ""),
        ("prefix", "//evil.example"),
        ("prefix", "/a//b"),
        ("prefix", "evil"),
        ("prefix", "/a?b"),
        ("prefix", '/"><script>'),
        ("prefix", "/a\\b"),
        ("prefix", "https://evil.example"),
    ],
)
def test_what_is_no_host_or_prefix_is_left_out(header: str, value: str) -> None:
    """A proxy that hands on what visitors send does not let them leave the site by it."""
    assert seen(1, **{header: value}) == PLAIN


@pytest.mark.parametrize("host", ["shop.example:8443", "[2001:db8::1]:80", "192.0.2.1", "localhost"])
def test_hosts_of_every_form_are_believed(host: str) -> None:
    """Ports, addresses and single names are hosts."""
    assert seen(1, host=host)[1] == host


@pytest.mark.parametrize(
    ("script_name", "prefix"),
    [("", "/shop"), ("/shop", "/shop"), ("/shop/inner", "/shop/inner"), ("/shopping", "/shop/shopping")],
)
def test_a_prefix_is_put_once(script_name: str, prefix: str) -> None:
    """A server or a wrapper that has put the proxy's prefix there already does not double it."""
    assert seen(1, script_name, prefix="/shop")[2] == prefix


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.integers(0, 16))
def test_no_text_raises_or_leads_elsewhere(proto: str, host: str, prefix: str, proxies: int) -> None:
    """Whatever the headers hold, a prefix stays a path of this site, and a host a host."""
    scheme, name, path = seen(proxies, proto=proto, host=host, prefix=prefix)
    assert scheme in ("http", "https")
    assert not set(name) & set("/\\@?#<>\"' \r\n")
    assert path == "" or (path.startswith("/") and not path.startswith("//") and not set(path) & set('\\"<>?# \r\n'))
